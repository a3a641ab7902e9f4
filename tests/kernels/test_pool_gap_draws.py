"""Draws by the gap between pools and ranks in them: equal to the twin, with the law of successive draws."""

from collections.abc import Callable
from itertools import permutations, product
from math import exp, tanh
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.pool_gap_draws import GapDraws, pool_gap_lists
from tests.kernels.laws import assert_pairs_follow

# rows, candidates, width, listed: around sixteen lanes, around the lengths where sorting changes its way, and longer
SHAPES = [
    (1, 1, 1, 1),
    (7, 30, 3, 15),
    (7, 30, 3, 16),
    (13, 100, 20, 17),
    (9, 300, 5, 33),
    (5, 400, 8, 256),
    (5, 400, 8, 257),
    (2, 900, 65, 700),
]


def inputs(shape: tuple[int, ...], *, tied: bool = False, padding: str = "end", seed: int = 0) -> tuple[Tensor, ...]:
    """Two tables and pools without repeats, padded: nowhere, at the end of some rows, anywhere, or whole rows."""
    rows, candidates, width, listed = shape
    generator = torch.Generator().manual_seed(seed)
    row, candidate = (torch.randn(n, width, generator=generator) for n in (rows, candidates))
    order = torch.rand(rows, max(candidates, listed), generator=generator).argsort(1)[:, :listed]
    pool = order.masked_fill(order >= candidates, -1).int()
    if padding == "end":
        length = torch.randint(listed + 1, (rows, 1), generator=generator)
        pool[torch.arange(listed) >= length] = -1
    elif padding == "anywhere":
        pool[torch.rand(rows, listed, generator=generator) < 0.4] = -1
    elif padding == "rows":
        pool[::2] = -1
    return (row.round(), candidate.round(), pool) if tied else (row, candidate, pool)


def requests(draws: int, *eps: float) -> list[GapDraws]:
    """Every weight and direction, each with its stream."""
    ways = product(("tanh", "exp"), eps, ("under", "over"))
    return [GapDraws(draws, weight, e, way, n) for n, (weight, e, way) in enumerate(ways)]  # type: ignore[arg-type]


def check(given: tuple[Tensor, ...], asked: list[GapDraws], **options: Any) -> None:
    for in_order in (False, True):
        keys = {"seed": 3, "epoch": 4, "in_order": in_order} | options
        found = pool_gap_lists(*given, asked, **keys)
        expected = reference.pool_gap_lists(*given, asked, **keys)
        for request, a, b in zip(asked, found, expected, strict=True):
            assert a.dtype == torch.int32
            assert torch.equal(a, b), request


@pytest.mark.parametrize("padding", ["nowhere", "end", "anywhere", "rows"])
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_twin(shape: tuple[int, ...], tied: bool, padding: str) -> None:
    given = inputs(shape, tied=tied, padding=padding)
    for draws in (1, shape[3] // 4, shape[3] + 3):
        check(given, requests(draws, 1e-3, 5.0))


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(0, 6), st.integers(0, 30), st.integers(1, 3), st.integers(0, 40)),
    st.booleans(),
    st.sampled_from(["nowhere", "end", "anywhere", "rows"]),
    st.integers(0, 45),
    st.sampled_from([1e-100, 1e-5, 0.3, 40.0, 1e100]),
    st.integers(-(2**63), 2**63 - 1),
)
def test_equals_twin_on_small_pools(
    shape: tuple[int, ...], tied: bool, padding: str, draws: int, eps: float, seed: int
) -> None:
    check(inputs(shape, tied=tied, padding=padding), requests(draws, eps), seed=seed)


@pytest.mark.parametrize("far", [1.0, 1e-3, 1e30, 3e38])
def test_scores_that_crowd_together(far: float) -> None:
    """A few scores far from all others, or all within the last bits: buckets of equal width do not tell them apart."""
    generator = torch.Generator().manual_seed(5)
    for scale in (0.0, 1e-7, 1e-3, 1e-40):
        candidate = 1.0 + scale * torch.randn(300, 1, generator=generator)
        candidate[:2], candidate[2] = far, -far / 4
        pool = torch.rand(4, 300, generator=generator).argsort(1)
        check((torch.ones(4, 1), candidate, pool), requests(40, 0.1))


def test_one_score_for_all_ranks_as_the_pool() -> None:
    row, candidate, pool = inputs((6, 200, 4, 90))
    level = row, candidate * 0.0, pool
    check(level, requests(8, 0.3))
    check((row, -level[1], pool), requests(8, 0.3))  # −0 is no lower than 0
    for one in pool_gap_lists(*level, [GapDraws(8, "tanh", 0.3, "under", 0)], seed=0, epoch=0):
        assert bool((one == -1).all())


def test_a_candidate_listed_twice_counts_twice() -> None:
    row, candidate, pool = inputs((6, 20, 4, 50), padding="nowhere")
    pool[:, 20:] = pool[:, :1]
    check((row, candidate, pool), requests(30, 0.2))


def test_times_that_single_precision_cannot_tell_apart() -> None:
    """Weights so uneven that logarithms of times are 10¹⁰⁰ and their float32 infinite, or all but equal in it."""
    given = inputs((9, 300, 5, 120), padding="nowhere")
    for eps in (1e100, 1e38, 1e9, 1e-100):
        check(given, [GapDraws(draws, "exp", eps, "over", 0) for draws in (1, 7, 60, 119)])


OWN, POOL = [2.0, 5.0, 1.0, -0.0, 0.0, 8.0, -3.0], [4, 0, 6, 1, 3, 5, -1]


def gaps() -> dict[int, int]:
    """Rank by score minus place, of every candidate of the pool, spelled out."""
    listed = [item for item in POOL if item >= 0]
    order = sorted(listed, key=lambda item: (-OWN[item], listed.index(item)))
    return {item: order.index(item) - listed.index(item) for item in listed}


def sample(rows: int, asked: list[GapDraws], **options: Any) -> list[Tensor]:
    """The requests for many rows with the same scores and pool."""
    pool = torch.tensor(POOL).repeat(rows, 1)
    return pool_gap_lists(torch.ones(rows, 1), torch.tensor(OWN)[:, None], pool, asked, seed=1, epoch=2, **options)


def weights(request: GapDraws) -> dict[int, float]:
    """Of the candidates that can be drawn."""
    gap = {item: value if request.direction == "under" else -value for item, value in gaps().items()}
    if request.weight == "exp":
        return {item: exp(request.eps * value) for item, value in gap.items()}
    return {item: tanh(request.eps * value) for item, value in gap.items() if value > 0}


@pytest.mark.parametrize("direction", ["under", "over"])
@pytest.mark.parametrize(("weight", "eps"), [("tanh", 0.05), ("tanh", 0.7), ("exp", 0.1), ("exp", 0.8), ("exp", 3.0)])
def test_law_of_ordered_draws(weight: Any, eps: float, direction: Any) -> None:
    rows, request = 40_000, GapDraws(2, weight, eps, direction, 5)
    of, (found,) = weights(request), sample(rows, [request])
    total = sum(of.values())
    law = {(a, b): of[a] / total * of[b] / (total - of[a]) for a, b in permutations(of, 2)}
    assert_pairs_follow(found, law)


def test_both_directions_of_one_stream_are_independent() -> None:
    asked = [GapDraws(1, "tanh", 0.2, way, 0) for way in ("under", "over")]  # type: ignore[arg-type]
    under, over = sample(40_000, asked)
    pairs = list(product(weights(asked[0]).items(), weights(asked[1]).items()))
    total = sum(a * b for (_, a), (_, b) in pairs)
    count = [int(((under == a) & (over == b)).sum()) for (a, _), (b, _) in pairs]
    assert chisquare(count, [40_000 * a * b / total for (_, a), (_, b) in pairs]).pvalue > 1e-4


def test_in_order_the_same_candidates_stand_as_in_the_pool() -> None:
    given = inputs((40, 120, 6, 100))
    asked = requests(30, 0.1)
    drawn, ordered = (pool_gap_lists(*given, asked, seed=0, epoch=0, in_order=way) for way in (False, True))
    for one, other in zip(drawn, ordered, strict=True):
        for pool, left, right in zip(given[2].tolist(), one.tolist(), other.tolist(), strict=True):
            kept = [item for item in left if item >= 0]
            assert right == sorted(kept, key=pool.index) + [-1] * (30 - len(kept))


def test_draws_are_different_and_end_where_weights_do() -> None:
    row, candidate, pool = inputs((40, 120, 6, 100))
    (found,) = pool_gap_lists(row, candidate, pool, [GapDraws(90, "tanh", 0.1, "over", 0)], seed=0, epoch=0)
    for user, drawn in enumerate(found.tolist()):
        listed = [item for item in pool[user].tolist() if item >= 0]
        score = (candidate[listed] @ row[user]).tolist()
        order = sorted(range(len(listed)), key=lambda place: -score[place])
        over = {listed[place] for rank, place in enumerate(order) if rank < place}
        assert set(drawn) - {-1} == over
        assert len(set(drawn[: len(over)])) == len(over)
        assert set(drawn[len(over) :]) <= {-1}


def test_rows_name_the_draws() -> None:
    row, candidate, pool = inputs((50, 300, 8, 60))
    asked = requests(12, 0.05)
    whole = pool_gap_lists(row, candidate, pool, asked, seed=0, epoch=1)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    for size in (1, 17):
        parts = [
            pool_gap_lists(row[part], candidate, pool[part], asked, seed=0, epoch=1, rows_N=part)
            for part in torch.split(order, size)
        ]
        for one, *pieces in zip(whole, *parts, strict=True):
            assert torch.equal(torch.cat(pieces), one[order])
    for request, one in zip(asked, whole, strict=True):  # a request does not notice its company
        assert torch.equal(pool_gap_lists(row, candidate, pool, [request], seed=0, epoch=1)[0], one)
    check((row, candidate, pool), asked, rows_N=order)


def test_seeds_epochs_and_streams_differ() -> None:
    given = inputs((40, 300, 8, 200), padding="nowhere")
    base = {"seed": 0, "epoch": 0, "stream": 0}
    drawn = []
    for keys in (base, base | {"seed": 1}, base | {"epoch": 1}, base | {"stream": 1}):
        request = GapDraws(1, "exp", 1e-3, "under", keys["stream"])
        drawn += pool_gap_lists(*given, [request], seed=keys["seed"], epoch=keys["epoch"])
    for again in drawn[1:]:
        assert float((again == drawn[0]).float().mean()) < 0.2


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    for listed in (1, 40, 500):
        given = inputs((100, 600, 7, listed), tied=listed == 40)
        for in_order in (False, True):
            asked = requests(listed // 5 + 1, 0.02, 2.0)
            same_bytes(lambda g=given, o=in_order, a=asked: pool_gap_lists(*g, a, seed=0, epoch=0, in_order=o))


def test_float64_takes_the_twin() -> None:
    row, candidate, pool = inputs((5, 40, 3, 20), tied=True)
    drawn = [
        pool_gap_lists(*t, pool, requests(4, 0.1), seed=0, epoch=0)
        for t in ((row, candidate), (row.double(), candidate.double()))
    ]
    for a, b in zip(*drawn, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_scores_that_are_not_finite_name_the_row(value: float) -> None:
    row, candidate, pool = inputs((70, 60, 5, 30), padding="nowhere")
    row[66] = value
    for lists in (pool_gap_lists, reference.pool_gap_lists):
        with pytest.raises(FloatingPointError, match="user 66 "):
            lists(row, candidate, pool, requests(2, 0.1), seed=0, epoch=0)
        with pytest.raises(FloatingPointError, match="user 166 "):
            lists(row, candidate, pool, requests(2, 0.1), seed=0, epoch=0, rows_N=torch.arange(100, 170))
    pool[66] = -1  # what is not listed does not matter
    check((row, candidate, pool), requests(2, 0.1))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"draws": -1}, ValueError, "draws must lie in"),  # the rest: test_gap_requests.py
        ({"replacement": True}, ValueError, "without replacement"),
        ({"rows_N": torch.arange(6)}, ValueError, r"rows_N must have shape \[7\]"),
        ({"rows_N": torch.arange(-1, 6)}, ValueError, "rows_N must lie in"),
        ({"pool_NM": torch.full((7, 4), 30)}, ValueError, "pool_NM must lie in"),
        ({"pool_NM": torch.full((7, 4), -2)}, ValueError, "pool_NM must lie in"),
        ({"pool_NM": torch.zeros(6, 4, dtype=torch.int32)}, ValueError, r"pool_NM must have shape \[7, 4\]"),
        ({"pool_NM": torch.zeros(7, dtype=torch.int32)}, ValueError, "2 dimensions"),
        ({"pool_NM": torch.zeros(7, 4)}, TypeError, "int32 or int64"),
        ({"row_ND": torch.zeros(7, 2)}, ValueError, "width"),
    ],
)
def test_misuse(change: dict[str, Any], error: type[Exception], match: str) -> None:
    row, candidate, pool = inputs((7, 30, 3, 4))
    given = {"row_ND": row, "candidate_ID": candidate, "pool_NM": pool, "rows_N": None}
    request = GapDraws(1, "exp", 1e-3, "under", 0)._asdict()
    request |= {name: value for name, value in change.items() if name in request}
    given |= {name: value for name, value in change.items() if name in given}
    with pytest.raises(error, match=match):
        pool_gap_lists(**given, requests=[GapDraws(**request)], seed=0, epoch=0)  # type: ignore[arg-type]
