"""HetComp's targets from heads against whole rankings, and its discrepancy against loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcekd.kernels.csr import CSR
from rcekd.methods.common.trajectories import at, discrepancy, head_length, heads, target
from rcekd.models import FactorTables


def importance(rankings: list[list[int]], decay: float) -> dict[int, float]:
    """Every item's sum from whole rankings, one item after the other."""
    weight = dict.fromkeys(range(len(rankings[0])), 0.0)
    for ranking in rankings:
        for rank, item in enumerate(ranking, start=1):
            weight[item] += math.exp(-rank / decay)
    return weight


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([1, 7, 20]), st.sampled_from([2.0, 5.0]))
def test_heads_are_long_enough(seed: int, count: int, k: int, decay: float) -> None:
    """The top K from heads is the top K from everything, place by place, to float32's rounding of the sums."""
    generator, items = torch.Generator().manual_seed(seed), 300
    whole = [torch.stack([torch.randperm(items, generator=generator) for _ in range(3)]) for _ in range(count)]
    length = head_length(k, count, decay, items)
    found = target([ranking[:, :length].int() for ranking in whole], k, decay)
    for user in range(3):
        weight = importance([ranking[user].tolist() for ranking in whole], decay)
        best = sorted(weight.values(), reverse=True)[:k]
        assert len(set(found[user].tolist())) == k
        assert [weight[item] for item in found[user].tolist()] == pytest.approx(best, rel=2.0**-23)


def test_the_length_of_a_head() -> None:
    assert head_length(50, 1, 10.0, 1000) == 50
    assert head_length(50, 6, 10.0, 1000) == 50 + math.ceil(10 * math.log(6 * 2**24))
    assert head_length(50, 6, 10.0, 70) == 70


def test_short_histories_are_padded() -> None:
    found = target([torch.tensor([[3, 1, -1, -1]]).int(), torch.tensor([[1, -1, -1, -1]]).int()], 4, 5.0)
    assert found.tolist() == [[1, 3, -1, -1]]


def test_moments_are_spread_from_the_first_to_the_last() -> None:
    generator = torch.Generator().manual_seed(0)
    item_ID = torch.randn(12, 3, generator=generator)
    moments = [FactorTables(torch.randn(4, 3, generator=generator), item_ID) for _ in range(7)]
    seen = CSR(torch.tensor([0, 1, 1, 1, 1]), torch.tensor([5], dtype=torch.int32))
    found = heads(moments, 3, 4, seen)
    assert found.shape == (3, 4, 4)
    for place, moment in enumerate((0, 3, 6)):
        score_UI = moments[moment].user_UD @ item_ID.T
        score_UI[0, 5] = -torch.inf
        assert torch.equal(found[place].long(), score_UI.topk(4).indices)
    assert heads(moments[:2], 3, 4, seen).shape == (2, 4, 4)
    assert torch.equal(
        at(found, torch.tensor([2, 0, 1, 2])), torch.stack([found[2, 0], found[0, 1], found[1, 2], found[2, 3]])
    )


def test_discrepancy() -> None:
    student = torch.tensor([[4, 2, 9, 1], [1, 2, 3, -1], [5, 6, 7, 8]])
    permutation = torch.tensor([[9, 8, 4, 0], [3, 2, 1, -1], [1, 2, 3, 4]])
    found = discrepancy(student, permutation, 10.0).tolist()
    gain = [(2 ** math.exp(-r / 10) - 1) / math.log2(r + 2) for r in range(4)]
    assert found == pytest.approx([1 - (gain[0] + gain[2]) / sum(gain), 0.0, 1.0], abs=1e-6)
