"""The laws of the draws, by chi-square, and their edges."""

import math

import pytest
import torch
from scipy.stats import chisquare

from rcekd.methods.common.sampling import (
    SPARSE,
    blocks,
    first_occurrences,
    geometric_ranks,
    in_order,
    ordered_pairs,
    ranked_draws,
    take,
    tournament_places,
    tournament_weights,
    weighted_places,
)
from rcekd.streams import stream

N, LENGTH, SCALE = 40_000, 6, 2.5
LAW = [math.exp(-rank / SCALE) / sum(math.exp(-r / SCALE) for r in range(LENGTH)) for rank in range(LENGTH)]


def fits(count: list[int], law: list[float]) -> bool:
    total = sum(count)
    return bool(chisquare(count, [total * p / sum(law) for p in law]).pvalue > 1e-3)


def common(count: list[int], law: list[float]) -> tuple[list[int], list[float]]:
    """The cells in which 5 or more are expected, and all others as one."""
    often = [sum(count) * p >= 5 * sum(law) for p in law]
    rare = [sum(value for value, many in zip(side, often, strict=True) if not many) for side in (count, law)]
    kept = [[value for value, many in zip(side, often, strict=True) if many] for side in (count, law)]
    return kept[0] + rare[:1] * (not all(often)), kept[1] + rare[1:] * (not all(often))  # type: ignore[return-value]


def test_geometric_ranks() -> None:
    rank_N = geometric_ranks(SCALE, torch.full((N,), LENGTH), stream(1, "test"))
    assert fits(torch.bincount(rank_N, minlength=LENGTH).tolist(), LAW)


@pytest.mark.parametrize("scale", [1e-3, 0.5, 60_000.0, 1e12])
def test_geometric_ranks_stay_in_the_row(scale: float) -> None:
    length_N = torch.tensor([0, 1, 2, 3, 1000]).repeat(2000)
    rank_N = geometric_ranks(scale, length_N, stream(2, "test"))
    assert (rank_N >= 0).all()
    assert (rank_N < length_N.clamp(min=1)).all()


def test_a_large_scale_is_uniform() -> None:
    rank_N = geometric_ranks(1e9, torch.full((N,), LENGTH), stream(3, "test"))
    assert fits(torch.bincount(rank_N, minlength=LENGTH).tolist(), [1.0] * LENGTH)


@pytest.mark.parametrize("length", [3, LENGTH])
@pytest.mark.parametrize("scale", [SCALE, 0.49])
def test_pairs_are_two_draws_that_do_not_tie(scale: float, length: int) -> None:
    better_N, worse_N = ordered_pairs(scale, torch.full((N,), length), stream(4, "test"))
    pairs = [(a, b) for a in range(length) for b in range(a + 1, length)]
    both = torch.bincount(better_N * length + worse_N, minlength=length * length)
    assert fits(*common([int(both[a * length + b]) for a, b in pairs], [math.exp(-(a + b) / scale) for a, b in pairs]))
    assert int(both.sum()) == sum(int(both[a * length + b]) for a, b in pairs)


@pytest.mark.parametrize("scale", [SCALE, 0.4, 1e-3, 1e-30, 5e-324])
def test_a_row_of_one_has_no_pair(scale: float) -> None:
    better_N, worse_N = ordered_pairs(scale, torch.tensor([0, 1, 2]), stream(5, "test"))
    assert better_N.tolist() == [0, 0, 0]
    assert worse_N.tolist() == [0, 0, 1]


@pytest.mark.parametrize("scale", [0.02, 1e-30])
def test_a_steep_law_leaves_one_choice(scale: float) -> None:
    """Where drawing again until nothing repeats would not end."""
    better_N, worse_N = ordered_pairs(scale, torch.full((100,), 50), stream(5, "test"))
    assert not better_N.any()
    assert (worse_N == 1).all()
    place_UL = tournament_places(400, scale, torch.tensor([0, 2, 5, 40, 400]), 4, stream(5, "test"))
    assert place_UL.tolist() == [[-1] * 4, [0, 1, -1, -1], *[[0, 1, 2, 3]] * 3]
    assert tournament_places(3, scale, torch.tensor([3]), 4, stream(5, "test")).tolist() == [[0, 1, 2, -1]]


def test_tournament_weights_are_those_of_the_better_of_two() -> None:
    weight_UM = tournament_weights(8, SCALE, torch.tensor([LENGTH, 3]))
    for row, length in zip(weight_UM.double(), (LENGTH, 3), strict=True):
        p = [math.exp(-rank / SCALE) if rank < length else 0.0 for rank in range(8)]
        wanted = [sum(p[a] * p[b] for a in range(8) for b in range(8) if min(a, b) == rank) for rank in range(8)]
        assert (row / row.sum()).tolist() == pytest.approx([w / sum(wanted) for w in wanted], rel=1e-5)


@pytest.mark.parametrize(("length", "scale"), [(6, SCALE), (2 * SPARSE, SCALE), (6, 1.9), (2 * SPARSE, 1.9)])
def test_tournament_places_are_draws_without_replacement(length: int, scale: float) -> None:
    """The ways to draw them: by weights where nearly all is drawn or the law is steep, by drawing again elsewhere."""
    weight = tournament_weights(length, scale, torch.tensor([length]))[0].double()
    place_UL = tournament_places(length, scale, torch.full((N,), length), 2, stream(8, "test"))
    first_M = weight / weight.sum()
    law_MM = first_M[:, None] * weight / (weight.sum() - weight[:, None])
    law_MM.fill_diagonal_(0.0)
    count_MM = torch.bincount(place_UL[:, 0] * length + place_UL[:, 1], minlength=length * length).view(length, length)
    assert int(count_MM.diagonal().sum()) == 0
    assert fits(*common(count_MM.flatten().tolist(), law_MM.flatten().tolist()))


def test_tournament_places_of_rows_of_different_length() -> None:
    length_U = torch.tensor([0, 1, 3, 40, 400])
    place_UL = tournament_places(400, 1e4, length_U, 4, stream(9, "test"))
    for row, length in zip(place_UL.tolist(), length_U.tolist(), strict=True):
        drawn = [place for place in row if place >= 0]
        assert len(set(drawn)) == len(drawn) == min(length, 4)
        assert all(place < length for place in drawn)


def test_first_occurrences() -> None:
    assert first_occurrences(torch.tensor([[5, 2, 5, 5, 0, 2]])).tolist() == [[True, True, False, False, True, False]]
    assert first_occurrences(torch.zeros(2, 0, dtype=torch.int64)).shape == (2, 0)


def test_weighted_places() -> None:
    weight = [0.5, 0.0, 2.0, 1.0]
    place_UL = weighted_places(torch.tensor(weight).repeat(N, 1), 2, stream(6, "test"))
    law = {(a, b): weight[a] * weight[b] / (3.5 - weight[a]) for a in (0, 2, 3) for b in (0, 2, 3) if a != b}
    both = torch.bincount(place_UL[:, 0] * 4 + place_UL[:, 1], minlength=16)
    assert fits([int(both[a * 4 + b]) for a, b in law], list(law.values()))
    assert int(both.sum()) == sum(int(both[a * 4 + b]) for a, b in law)


def test_weighted_places_end_with_what_has_weight() -> None:
    weight_UM = torch.tensor([[-0.0, 1.0, 3.0], [0.0, -0.0, 0.0]])
    place_UL = weighted_places(weight_UM, 5, stream(7, "test"))
    assert sorted(place_UL[0, :2].tolist()) == [1, 2]
    assert place_UL[0, 2:].tolist() == [-1, -1, -1]
    assert place_UL[1].tolist() == [-1] * 5


def test_ranked_draws_keep_the_order_of_the_list() -> None:
    item_UM = torch.tensor([[30, 10, 20, -1], [7, -1, -1, -1], [-1, -1, -1, -1]], dtype=torch.int32).repeat(N // 4, 1)
    drawn_UL = ranked_draws(item_UM, 2, 1.5, seed=8, purpose="test", epoch=0)
    first, second, third = drawn_UL[0::3], drawn_UL[1::3], drawn_UL[2::3]
    assert (second == torch.tensor([7, -1])).all()
    assert (third == -1).all()
    p = [math.exp(-rank / 1.5) for rank in range(3)]
    total = sum(p)
    law = [sum(p[a] * p[b] / (total - p[a]) for a, b in (pair, pair[::-1])) for pair in ((0, 1), (0, 2), (1, 2))]
    found = [first.tolist().count(pair) for pair in ([30, 10], [30, 20], [10, 20])]
    assert sum(found) == len(first)
    assert fits(found, law)


def test_an_epoch_has_its_own_draws() -> None:
    item_UM = torch.arange(50, dtype=torch.int32).repeat(20, 1)
    kinds = [("a", 0), ("a", 1), ("b", 0)]
    drawn = [ranked_draws(item_UM, 5, 20.0, seed=8, purpose=purpose, epoch=epoch) for purpose, epoch in kinds]
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[0], ranked_draws(item_UM, 5, 20.0, seed=8, purpose="a", epoch=0))


def test_places_and_blocks() -> None:
    item_UM = torch.tensor([[5, 6, 7]], dtype=torch.int32)
    assert take(item_UM, torch.tensor([[2, -1, 0]])).tolist() == [[7, -1, 5]]
    assert take(item_UM[:, :0], torch.tensor([[-1, -1]])).tolist() == [[-1, -1]]
    assert in_order(torch.tensor([[3, -1, 1]])).tolist() == [[1, 3, -1]]
    covered = [row for rows in blocks(10, 1 << 20) for row in range(10)[rows]]
    assert covered == list(range(10))
    assert list(blocks(0, 5)) == []
