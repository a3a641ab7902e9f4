"""Vectors for strangers."""

import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables
from rcekd.serving.fold_in import USUAL_POWER, USUAL_RIDGE, cross_fitted, features, fit
from rcekd.serving.rows import stacked


def planted(data: Interactions) -> FactorTables:
    """Item vectors at random, and users who are a fixed linear map of their history's mean."""
    generator = torch.Generator().manual_seed(1)
    item_ID = torch.randn(data.n_items, 4, generator=generator)
    weight = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    user_UD = features(data.seen, item_ID, 1.0, 1.0) @ weight + 0.5
    return FactorTables(user_UD.float(), item_ID)


def test_a_linear_map_is_found(tiny_interactions: Interactions) -> None:
    tables = planted(tiny_interactions)
    found = fit(tables, tiny_interactions)
    folded = found(tiny_interactions.seen, tables.item_ID)
    torch.testing.assert_close(folded, tables.user_UD, rtol=0.05, atol=0.05)
    assert 0 <= found.valid <= 1


def test_the_order_of_a_history_does_not_count_and_an_empty_one_is_the_average_user(
    tiny_interactions: Interactions,
) -> None:
    tables = planted(tiny_interactions)
    found = fit(tables, tiny_interactions)
    rows = [torch.tensor([1, 5, 8]), torch.tensor([8, 1, 5]), torch.tensor([], dtype=torch.int64)]
    vector_BD = found(stacked(rows), tables.item_ID)
    torch.testing.assert_close(vector_BD[0], vector_BD[1])
    torch.testing.assert_close(vector_BD[2], found.bias_D)


def test_nobody_teaches_the_map_that_folds_him_in(tiny_interactions: Interactions) -> None:
    tables = planted(tiny_interactions)
    feature_UD = features(tiny_interactions.seen, tables.item_ID, 1.0, 1.0)
    (before,) = cross_fitted(feature_UD, tables.user_UD, (0.01,))
    moved = tables.user_UD.clone()
    moved[6] += 100
    (after,) = cross_fitted(feature_UD, moved, (0.01,))
    assert torch.equal(after[::2], before[::2])  # user 6's half
    assert not torch.allclose(after[1::2], before[1::2])


def test_a_stranger_on_the_checkerboard_gets_items_of_his_own_colour(tiny_interactions: Interactions) -> None:
    colour_I = torch.arange(40) % 2
    item_ID = torch.stack([1.0 - colour_I, colour_I], dim=1).float()
    user_UD = torch.stack([1.0 - torch.arange(30) % 2, torch.arange(30) % 2], dim=1).float() + 0.1
    found = fit(FactorTables(user_UD, item_ID), tiny_interactions)
    history = stacked([torch.tensor([1, 3, 9]), torch.tensor([0, 2])])
    item_BK, _ = topk(found(history, item_ID), item_ID, 10)
    assert (item_BK % 2).tolist() == [[1] * 10, [0] * 10]


@pytest.mark.parametrize("part", ["seen", "valid"])
def test_data_with_nothing_to_learn_from(tiny_interactions: Interactions, part: str) -> None:
    import dataclasses

    empty = stacked([torch.empty(0, dtype=torch.int32)] * tiny_interactions.n_users)
    name = "train" if part == "seen" else part
    data = dataclasses.replace(tiny_interactions, **{name: empty})
    found = fit(planted(tiny_interactions), data)
    assert torch.isfinite(found.weight_DD).all()
    assert torch.isfinite(found(stacked([torch.tensor([1, 2])]), torch.ones(40, 4))).all()
    assert (found.ridge, found.power, found.valid, found.trained) == (USUAL_RIDGE, USUAL_POWER, None, None)
