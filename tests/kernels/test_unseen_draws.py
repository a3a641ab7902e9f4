"""Uniform draws without replacement from what is unseen: equal to the twin, every ordered outcome equally likely."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.csr import CSR
from rcekd.kernels.unseen_draws import unseen_draws
from tests.kernels.scene import history


def repeated(row: list[int], users: int) -> CSR:
    """The same history for every user."""
    return CSR(torch.arange(users + 1) * len(row), torch.tensor(row, dtype=torch.int32).repeat(users))


def draw(sampler: Callable[..., Tensor], seen: CSR, n_items: int, draws: int, **options: Any) -> Tensor:
    return sampler(seen, n_items, draws, **({"seed": 5, "epoch": 7} | options))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.95, 1.1])
@pytest.mark.parametrize("draws", [0, 1, 2, 33, 301, 400])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64], ids=str)
def test_equals_twin(share: float, draws: int, dtype: torch.dtype) -> None:
    seen = history(20, 301, share)
    for users_B in (None, torch.tensor([19, 3, 3, 0], dtype=dtype), torch.zeros(0, dtype=dtype)):
        found = draw(unseen_draws, seen, 301, draws, users_B=users_B)
        assert found.dtype == torch.int32
        assert torch.equal(found, draw(reference.unseen_draws, seen, 301, draws, users_B=users_B))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12), st.integers(0, 9), st.floats(0, 1.1), st.integers(0, 15), st.integers(-(2**63), 2**63 - 1))
def test_equals_twin_on_small_catalogues(items: int, users: int, share: float, draws: int, seed: int) -> None:
    seen = history(users, items, share)
    found = draw(unseen_draws, seen, items, draws, seed=seed)
    assert torch.equal(found, draw(reference.unseen_draws, seen, items, draws, seed=seed))


@pytest.mark.parametrize("draws", [40, 250, 330])
def test_draws_are_unseen_and_different_and_all_when_few_are_left(draws: int) -> None:
    seen = history(30, 301, 0.3)
    for user, row in enumerate(draw(unseen_draws, seen, 301, draws).tolist()):
        left = set(range(301)) - set(seen.indices[seen.indptr[user] : seen.indptr[user + 1]].tolist())
        drawn = row[: min(draws, len(left))]
        assert len(set(drawn)) == len(drawn)
        assert set(drawn) <= left
        assert row[len(drawn) :] == [-1] * (draws - len(drawn))


@pytest.mark.parametrize("draws", [1, 2, 3, 5])
def test_every_ordered_outcome_is_equally_likely(draws: int) -> None:
    users, left = 60_000, [0, 2, 3, 6, 7]
    found = draw(unseen_draws, repeated([1, 4, 5], users), 8, draws)
    outcomes = {order: n for n, order in enumerate(permutations(left, draws))}
    count = torch.tensor([outcomes[tuple(row)] for row in found.tolist()]).bincount(minlength=len(outcomes))
    assert chisquare(count.numpy()).pvalue > 1e-3


def test_inclusion_and_pairs_on_a_larger_catalogue() -> None:
    users, items, draws, seen = 20_000, 60, 12, [0, 7, 8, 31, 59]
    found = draw(unseen_draws, repeated(seen, users), items, draws).long()
    inside = torch.zeros(users, items).scatter_(1, found, 1.0)
    pairs = inside.T @ inside / users
    left = [i for i in range(items) if i not in seen]
    n = len(left)
    expected = torch.full((n, n), draws * (draws - 1) / (n * (n - 1))).fill_diagonal_(draws / n)
    deviation = (expected * (1 - expected) / users).sqrt()
    assert float(pairs[seen].sum()) == 0.0
    assert float(((pairs[left][:, left] - expected) / deviation).abs().max()) < 4.8


def test_users_epochs_and_seeds_are_unrelated() -> None:
    users = 60_000
    found = draw(unseen_draws, repeated([], users), 6, 1)[:, 0].long()
    assert chisquare((found[:-1] * 6 + found[1:]).bincount(minlength=36).numpy()).pvalue > 1e-3
    for other in ({"epoch": 8}, {"seed": 6}):
        again = draw(unseen_draws, repeated([], users), 6, 1, **other)[:, 0].long()
        assert chisquare((found * 6 + again).bincount(minlength=36).numpy()).pvalue > 1e-3


def test_users_name_the_draws() -> None:
    seen = history(50, 301, 0.1)
    whole = draw(unseen_draws, seen, 301, 20)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    for size in (1, 7, 50):
        parts = [draw(unseen_draws, seen, 301, 20, users_B=part) for part in torch.split(order, size)]
        assert torch.equal(torch.cat(parts), whole[order])
    assert torch.equal(draw(unseen_draws, seen, 301, 9), whole[:, :9])  # more draws only add to fewer


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    seen = history(200, 301, 0.1)
    same_bytes(lambda: [draw(unseen_draws, seen, 301, 40)])


def test_misuse() -> None:
    seen = CSR.from_pairs(torch.tensor([0, 1, 1, 1]), torch.tensor([1, 0, 1, 2]), 2)
    with pytest.raises(ValueError, match="draws must lie in"):
        draw(unseen_draws, seen, 3, -1)
    with pytest.raises(ValueError, match="users_B must lie in"):
        draw(unseen_draws, seen, 3, 1, users_B=torch.tensor([2]))
    with pytest.raises(ValueError, match="one dimension"):
        draw(unseen_draws, seen, 3, 1, users_B=torch.tensor([[1]]))
    with pytest.raises(TypeError, match="users_B must be int32 or int64"):
        draw(unseen_draws, seen, 3, 1, users_B=torch.tensor([1.0]))
    with pytest.raises(ValueError, match=r"seen\.indices must lie in"):
        draw(unseen_draws, seen, 2, 1)
    for row in ([2, 1], [1, 1]):
        unsorted = CSR(torch.tensor([0, 0, 2]), torch.tensor(row, dtype=torch.int32))
        with pytest.raises(ValueError, match="ascending"):
            draw(unseen_draws, unsorted, 3, 1)
