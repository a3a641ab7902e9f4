"""How often a user counts, and what the scale of a batch's loss is."""

from dataclasses import replace

import pytest
import torch

from rcekd.kernels.csr import CSR
from rcekd.models import Batch
from tests.methods.scene import Scene


def rows(scene: Scene, weighting: str, users: list[int]) -> dict[int, float]:
    user_B = torch.tensor(users, dtype=torch.int32)
    user_R, weight_R = scene.method("ce", K=5, weighting=weighting).rows(Batch(user_B, user_B, user_B[:, None]))
    return dict(zip(user_R.tolist(), weight_R.tolist(), strict=True))


def test_interaction_counts_occurrences(scene: Scene) -> None:
    assert rows(scene, "interaction", [3, 1, 3, 3]) == {1: 1.0, 3: 3.0}


def test_distinct_counts_once_a_batch_on_the_scale_of_the_batch(scene: Scene) -> None:
    assert rows(scene, "distinct", [3, 1, 3, 3]) == {1: 2.0, 3: 2.0}


@pytest.mark.parametrize("weighting", ["interaction", "user", "distinct"])
def test_a_batch_of_the_whole_epoch_weighs_its_size(scene: Scene, weighting: str) -> None:
    weight = rows(scene, weighting, scene.data.train.rows().tolist())
    assert sum(weight.values()) == pytest.approx(scene.data.train.indices.numel(), rel=1e-5)


def test_user_weighting_gives_every_user_the_same_over_an_epoch(uneven_scene: Scene) -> None:
    weight = rows(uneven_scene, "user", uneven_scene.data.train.rows().tolist())
    assert len(set(uneven_scene.data.train.lengths().tolist())) > 2
    assert max(weight.values()) == pytest.approx(min(weight.values()), rel=1e-5)
    interactions = uneven_scene.data.train.indices.numel()
    assert sum(weight.values()) == pytest.approx(interactions, rel=1e-5)


def test_user_weighting_counts_an_interaction_that_repeats(scene: Scene) -> None:
    """User 0 has its first item twice more: two more rows of an epoch, and no more weight than others."""
    train = scene.data.train
    indptr = torch.cat([train.indptr[:1], train.indptr[1:] + 2])
    longer = CSR(indptr, torch.cat([train.indices[:1].repeat(2), train.indices]))
    again = replace(scene, data=replace(scene.data, train=longer, fingerprint="repeats"))
    weight = rows(again, "user", longer.rows().tolist())
    assert max(weight.values()) == pytest.approx(min(weight.values()), rel=1e-5)


def test_user_weighting_counts_what_a_window_shows(uneven_scene: Scene) -> None:
    """A student with a window learns from a user's last interactions only; every user still counts the same."""

    class Windowed(type(uneven_scene.student)):  # type: ignore[misc]
        window = 3

    uneven_scene.student.__class__ = Windowed
    method = uneven_scene.method("ce", K=5, weighting="user")
    method.meet(uneven_scene.student)
    lengths = uneven_scene.data.train.lengths().clamp(max=3)
    user_B = torch.arange(lengths.numel(), dtype=torch.int32).repeat_interleave(lengths)
    _, weight_R = method.rows(Batch(user_B, user_B, user_B[:, None]))
    assert weight_R.max().item() == pytest.approx(weight_R.min().item(), rel=1e-5)
    assert weight_R.sum().item() == pytest.approx(user_B.numel(), rel=1e-5)
