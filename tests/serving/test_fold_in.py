"""Vectors for strangers."""

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.evaluation.ranking import per_user, rank
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables
from rcekd.serving import fold_in
from rcekd.serving.fold_in import RIDGES, USUAL_POWER, USUAL_RIDGE, cross_fitted, features, fit
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


def test_a_feature_is_the_mean_weighed_by_length() -> None:
    """Σ v / (n^p · typical^(1 − p)); a long history is summed part by part, an empty one is zero."""
    item_ID = torch.tensor([[1.0, -2.0], [3.0, 5.0]])
    history = stacked([torch.tensor([0, 1, 1, 1]), torch.tensor([], dtype=torch.int64)])
    sum_D = torch.tensor([1.0 + 3 * 3.0, -2.0 + 3 * 5.0], dtype=torch.float64)
    for power in (1.0, 0.5):
        found_BD = features(history, item_ID, power, 9.0)
        torch.testing.assert_close(found_BD[0], sum_D / (4**power * 9 ** (1 - power)))
        assert not found_BD[1].any()
    long = stacked([torch.zeros(300_000, dtype=torch.int64)])
    torch.testing.assert_close(features(long, item_ID, 1.0, 1.0), item_ID[:1].double())


def test_the_map_is_a_ridge_regression_with_a_free_intercept() -> None:
    """Of users 0, 2, … for users 1, 3, … and the other way round; the ridge is in units of the mean square."""
    generator = torch.Generator().manual_seed(3)
    feature_ND, user_ND = torch.randn(11, 3, generator=generator).double(), torch.randn(11, 3, generator=generator)
    x_ND, y_ND, ridges = feature_ND.numpy(), user_ND.double().numpy(), (0.1, 2.0)
    for ridge, found_ND in zip(ridges, cross_fitted(feature_ND, user_ND, ridges), strict=True):
        for half in (0, 1):
            x, y = x_ND[half::2], y_ND[half::2]
            centred = x - x.mean(0)
            penalty = ridge * np.square(centred).sum() / 3 * np.eye(3)
            weight = np.linalg.inv(centred.T @ centred + penalty) @ centred.T @ (y - y.mean(0))
            wanted = (x_ND[1 - half :: 2] - x.mean(0)) @ weight + y.mean(0)
            np.testing.assert_allclose(found_ND[1 - half :: 2].numpy(), wanted, rtol=1e-4, atol=1e-6)


def uneven() -> Interactions:
    """Sixty users with 0 to 14 training items; two of three have validation items."""
    generator = torch.Generator().manual_seed(0)
    order_UI = [torch.randperm(40, generator=generator) for _ in range(60)]
    train = stacked([order[: user % 15] for user, order in enumerate(order_UI)])
    valid = stacked([order[20 : 20 + user % 3] for user, order in enumerate(order_UI)])
    ids = (pl.Series(range(n)) for n in (60, 40))
    return Interactions("uneven", "random", 60, 40, train, valid, stacked([valid.indices[:0]] * 60), *ids, "uneven")


@pytest.mark.parametrize("seed", [7, 29])
def test_validation_chooses_among_the_settings(seed: int) -> None:
    """Of the users with a history, those with validation items judge, without what they have seen."""
    data, generator = uneven(), torch.Generator().manual_seed(seed)
    item_ID, noise_UD = (torch.randn(n, 4, generator=generator) for n in (40, 60))
    user_UD = features(data.seen, item_ID, 0.5, 7.0).float() + 0.3 * noise_UD
    found = fit(FactorTables(user_UD, item_ID), data)
    taught = data.seen.lengths() > 0
    typical = float(data.seen.lengths()[taught].double().mean())

    def judged(vector_UD: Tensor) -> float:
        value_U = per_user(rank(FactorTables(vector_UD, item_ID), data.seen), data.valid_targets)["ndcg@10"]
        return float(value_U[taught & (data.valid.lengths() > 0)].mean())

    values = {}
    for power in (1.0, 0.5):
        feature_UD = features(data.seen, item_ID, power, typical)
        for ridge in RIDGES:
            vector_UD = torch.zeros_like(user_UD)
            (vector_UD[taught],) = cross_fitted(feature_UD[taught], user_UD[taught], (ridge,))
            values[judged(vector_UD), ridge, power] = feature_UD
    assert (found.valid, found.ridge, found.power) == pytest.approx(max(values))
    assert (found.trained, found.typical) == pytest.approx((judged(user_UD), typical))
    assert (found.ridge, found.power) != (USUAL_RIDGE, USUAL_POWER)
    ((weight, bias),) = fold_in._solve(values[max(values)][taught], user_UD[taught].double(), (found.ridge,))
    torch.testing.assert_close((found.weight_DD, found.bias_D), (weight.float(), bias.float()))


def test_those_who_judge_are_spread_evenly() -> None:
    assert fold_in._spread(torch.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert fold_in._spread(torch.arange(3), 4).tolist() == [0, 1, 2]


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
