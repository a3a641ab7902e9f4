"""Negative sampling: equal to the twin, uniform over what the user has not seen."""

from collections.abc import Callable

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.csr import CSR
from rcekd.kernels.negatives import sample_negatives
from tests.kernels.scene import history


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95])
@pytest.mark.parametrize("negatives", [1, 3])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64], ids=str)
def test_equals_twin(share: float, negatives: int, dtype: torch.dtype) -> None:
    seen = history(50, 301, share)
    user_B = torch.arange(500, dtype=dtype) % 50
    found = sample_negatives(user_B, seen, 301, negatives, seed=5, epoch=7, first=2**33 + 1)
    twin = reference.sample_negatives(user_B, seen, 301, negatives, seed=5, epoch=7, first=2**33 + 1)
    assert found.dtype == torch.int32
    assert torch.equal(found, twin)


def test_uniform_over_unseen() -> None:
    items, draws = 40, 40_000
    seen = history(3, items, 0.4)
    for user in range(3):
        found = sample_negatives(torch.full((draws // 2,), user), seen, items, 2, seed=1, epoch=user)
        counts = found.flatten().bincount(minlength=items)
        unseen = torch.ones(items, dtype=torch.bool)
        unseen[seen.indices[seen.indptr[user] : seen.indptr[user + 1]].long()] = False
        assert int(counts[~unseen].sum()) == 0
        assert chisquare(counts[unseen].numpy()).pvalue > 1e-3


def test_slots_and_positions_are_independent() -> None:
    seen = history(1, 6, 0.0)
    found = sample_negatives(torch.zeros(60_000, dtype=torch.int64), seen, 6, 2, seed=3, epoch=0).long()
    pairs = (found[:, 0] * 6 + found[:, 1]).bincount(minlength=36)
    assert chisquare(pairs.numpy()).pvalue > 1e-3
    neighbours = (found[:-1, 0] * 6 + found[1:, 0]).bincount(minlength=36)
    assert chisquare(neighbours.numpy()).pvalue > 1e-3


def test_one_item_left() -> None:
    seen = CSR.from_pairs(torch.zeros(9, dtype=torch.int64), torch.tensor([0, 1, 2, 3, 5, 6, 7, 8, 9]), 1)
    found = sample_negatives(torch.zeros(20, dtype=torch.int32), seen, 10, 4, seed=0, epoch=0)
    assert torch.equal(found, torch.full((20, 4), 4, dtype=torch.int32))


def test_any_split_of_the_epoch() -> None:
    seen = history(50, 301, 0.1)
    user_B = torch.arange(1000) % 50
    whole = sample_negatives(user_B, seen, 301, 2, seed=5, epoch=7)
    for size in (1, 333, 512):
        parts = [
            sample_negatives(user_B[at : at + size], seen, 301, 2, seed=5, epoch=7, first=at)
            for at in range(0, 1000, size)
        ]
        assert torch.equal(whole, torch.cat(parts))


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    seen = history(50, 301, 0.1)
    user_B = torch.arange(1000) % 50
    same_bytes(lambda: [sample_negatives(user_B, seen, 301, 2, seed=5, epoch=7)])


def test_keys_differ() -> None:
    seen = history(50, 301, 0.1)
    user_B = torch.arange(1000) % 50
    base = sample_negatives(user_B, seen, 301, 1, seed=5, epoch=7)
    for other in ({"seed": 6, "epoch": 7}, {"seed": 5, "epoch": 8}, {"seed": -5, "epoch": 7}):
        assert float((sample_negatives(user_B, seen, 301, 1, **other) == base).float().mean()) < 0.05


def test_misuse() -> None:
    everything = CSR.from_pairs(torch.tensor([0, 1, 1, 1]), torch.tensor([1, 0, 1, 2]), 2)
    with pytest.raises(ValueError, match="user 1 has seen all 3 items"):
        sample_negatives(torch.tensor([0, 1]), everything, 3, 1, seed=0, epoch=0)
    sample_negatives(torch.tensor([0, 0]), everything, 3, 1, seed=0, epoch=0)
    for row in ([2, 1], [1, 1]):
        unsorted = CSR(torch.tensor([0, 0, 2]), torch.tensor(row, dtype=torch.int32))
        with pytest.raises(ValueError, match="ascending"):
            sample_negatives(torch.tensor([0]), unsorted, 3, 1, seed=0, epoch=0)
    with pytest.raises(ValueError, match="user_B must lie in"):
        sample_negatives(torch.tensor([2]), everything, 3, 1, seed=0, epoch=0)
    with pytest.raises(ValueError, match="n_negatives"):
        sample_negatives(torch.tensor([0]), everything, 3, 0, seed=0, epoch=0)
