"""Draws by the gap between two models' ranks: equal to the twin, with the law of successive draws."""

from collections.abc import Callable
from itertools import permutations, product
from math import exp, tanh
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.csr import CSR
from rcekd.kernels.rank_gap_draws import GapDraws, rank_gap_draws, rank_gap_lists
from tests.kernels.laws import assert_pairs_follow
from tests.kernels.scene import history

# users, items, width, the other's width: sizes that cut tiles and panels badly
SHAPES = [(1, 1, 1, 1), (7, 30, 3, 1), (13, 100, 20, 5), (33, 301, 8, 40), (9, 1000, 5, 64), (1, 600, 5, 300)]


def tables(shape: tuple[int, ...], *, tied: bool = False, seed: int = 0) -> tuple[Tensor, ...]:
    users, items, width, other = shape
    generator = torch.Generator().manual_seed(seed)
    sizes = (users, width), (items, width), (users, other), (items, other)
    made = tuple(torch.randn(*size, generator=generator) for size in sizes)
    return tuple(table.round() for table in made) if tied else made


def requests(draws: int, *eps: float) -> list[GapDraws]:
    """Every weight, direction and way of drawing, each with its stream."""
    ways = product(("tanh", "exp"), eps, ("under", "over"), (False, True))
    return [GapDraws(draws, weight, e, way, n, again) for n, (weight, e, way, again) in enumerate(ways)]  # type: ignore[arg-type]


def check(inputs: tuple[Tensor, ...], asked: list[GapDraws], **options: Any) -> None:
    keys = {"seed": 3, "epoch": 4} | options
    found = rank_gap_lists(*inputs, asked, **keys)
    expected = reference.rank_gap_lists(*inputs, asked, **keys)
    for request, a, b in zip(asked, found, expected, strict=True):
        assert a.dtype == torch.int32
        assert torch.equal(a, b), request


# eps: acceptance of nearly all proposals, of some, and of so few that the rest is drawn from all weights
@pytest.mark.parametrize("eps", [1e-3, 0.1, 5.0])
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_twin(shape: tuple[int, ...], tied: bool, eps: float) -> None:
    inputs, (users, items, *_) = tables(shape, tied=tied), shape
    users_B = torch.arange(users).flip(0).repeat(2)
    for draws in (0, 1, 9):
        check(inputs, requests(draws, eps))
    check(inputs, requests(items + 3, eps), seen=history(users, items, 0.3))
    check(inputs, requests(5, eps), seen=history(users, items, 0.95), users_B=users_B)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(0, 9), st.integers(0, 12), st.integers(1, 3), st.integers(1, 3)),
    st.booleans(),
    st.sampled_from([0.0, 0.4, 1.1]),
    st.integers(0, 15),
    st.sampled_from([1e-30, 1e-5, 0.3, 40.0, 1e30]),
    st.integers(-(2**63), 2**63 - 1),
)
def test_equals_twin_on_small_catalogues(
    shape: tuple[int, ...], tied: bool, share: float, draws: int, eps: float, seed: int
) -> None:
    check(tables(shape, tied=tied), requests(draws, eps), seen=history(*shape[:2], share), seed=seed)


@pytest.mark.parametrize("eps", [0.01, 3.0])
def test_one_score_for_all_and_one_model_twice(eps: float) -> None:
    user, item, other_user, _ = tables((6, 200, 4, 4))
    level = torch.zeros_like(item)
    check((user, item, other_user, level), requests(8, eps))
    check((user, -level, other_user, level), requests(8, eps))
    same = user, item, user, item
    check(same, requests(8, eps))
    tanh_draws = rank_gap_draws(*same, 8, weight="tanh", eps=eps, direction="under", seed=0, epoch=0, stream=0)
    assert bool((tanh_draws == -1).all())


def gaps(own: list[float], other: list[float], seen: list[int]) -> dict[int, int]:
    """Rank by own minus rank by other, of every unseen item, spelled out."""

    def rank(score: list[float], item: int) -> int:
        unseen = [i for i in range(len(score)) if i not in seen]
        return 1 + sum(score[i] > score[item] or (score[i] == score[item] and i < item) for i in unseen)

    return {i: rank(own, i) - rank(other, i) for i in range(len(own)) if i not in seen}


OWN, OTHER, SEEN = [9.0, 5.0, 1.0, 0.0, -0.0, 8.0, -3.0, 2.0], [1.0, 9.0, 9.0, 3.0, 3.5, 8.0, 3.0, -2.0], [1, 5]


def sample(users: int, request: GapDraws) -> Tensor:
    """The request for many users with the same scores and history."""
    one = torch.ones(users, 1)
    seen = CSR(torch.arange(users + 1) * len(SEEN), torch.tensor(SEEN, dtype=torch.int32).repeat(users))
    own, other = torch.tensor(OWN)[:, None], torch.tensor(OTHER)[:, None]
    return rank_gap_lists(one, own, one, other, [request], seed=1, epoch=2, seen=seen)[0]


@pytest.mark.parametrize("replacement", [False, True], ids=["without", "with"])
@pytest.mark.parametrize("direction", ["under", "over"])
@pytest.mark.parametrize(("weight", "eps"), [("tanh", 0.05), ("tanh", 0.7), ("exp", 0.1), ("exp", 0.8), ("exp", 3.0)])
def test_law_of_ordered_draws(weight: Any, eps: float, direction: Any, replacement: bool) -> None:
    users, draws, sign = 40_000, 2, 1 if direction == "under" else -1
    gap = {i: sign * g for i, g in gaps(OWN, OTHER, SEEN).items()}
    of = {i: exp(eps * g) if weight == "exp" else tanh(max(eps * g, 0.0)) for i, g in gap.items()}
    of = {i: w for i, w in of.items() if w > 0}
    total = sum(of.values())
    if replacement:
        law = {(a, b): of[a] * of[b] / total**2 for a, b in product(of, of)}
    else:
        law = {(a, b): of[a] / total * of[b] / (total - of[a]) for a, b in permutations(of, draws)}
    found = sample(users, GapDraws(draws, weight, eps, direction, 5, replacement))
    assert_pairs_follow(found, law)


@pytest.mark.parametrize("weight", ["tanh", "exp"])
def test_uneven_weights_follow_the_law_where_proposals_run_out(weight: Any) -> None:
    """One call where all draws come from proposals, one where hardly any does: inclusion agrees with enumeration."""
    users, items = 20_000, 64
    score = torch.arange(items, 0, -1.0)[:, None]
    swapped = score.clone()
    swapped[[3, 40, 41]] = score[[40, 3, 50]]  # few items have a gap
    one = torch.ones(users, 1)
    request = GapDraws(2, weight, 0.2, "under", 0)
    (found,) = rank_gap_lists(one, score, one, swapped, [request], seed=0, epoch=0)
    gap = gaps(score[:, 0].tolist(), swapped[:, 0].tolist(), [])
    of = torch.tensor([exp(0.2 * g) if weight == "exp" else tanh(max(0.2 * g, 0.0)) for g in gap.values()])
    first = of / of.sum()
    odds = first / (1 - first)
    inclusion = first + first * (odds.sum() - odds)
    share = torch.zeros(users, items).scatter_(1, found.long(), 1.0).mean(0)
    deviation = (inclusion * (1 - inclusion) / users).sqrt().clamp(min=1e-9)
    assert float(((share - inclusion) / deviation).abs().max()) < 4.8


def test_draws_are_different_unseen_and_end_where_weights_do() -> None:
    inputs, seen = tables((40, 120, 6, 6)), history(40, 120, 0.2)
    found = rank_gap_draws(*inputs, 90, weight="tanh", eps=0.1, direction="over", seed=0, epoch=0, stream=0, seen=seen)
    for user, row in enumerate(found.tolist()):
        hidden = seen.indices[seen.indptr[user] : seen.indptr[user + 1]].tolist()
        scores = [(inputs[2 * m][user] @ inputs[2 * m + 1].T).tolist() for m in (0, 1)]
        over = {i for i, g in gaps(*scores, hidden).items() if g < 0}
        assert set(row) - {-1} == over
        assert row == [*row[: len(over)], *[-1] * (90 - len(over))]
        assert len(set(row[: len(over)])) == len(over)


def test_users_name_the_draws() -> None:
    inputs, seen, asked = tables((50, 300, 8, 16)), history(50, 300, 0.1), requests(12, 0.05)
    keys = {"seed": 0, "epoch": 1, "seen": seen}
    whole = rank_gap_lists(*inputs, asked, **keys)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    for size in (1, 17):
        parts = [rank_gap_lists(*inputs, asked, users_B=part, **keys) for part in torch.split(order, size)]
        for one, *pieces in zip(whole, *parts, strict=True):
            assert torch.equal(torch.cat(pieces), one[order])
    for request, one in zip(asked, whole, strict=True):  # a request does not notice its company
        assert torch.equal(rank_gap_draws(*inputs, **request._asdict(), **keys), one)


def test_seeds_epochs_and_streams_differ() -> None:
    inputs = tables((40, 300, 8, 16))
    asked = {"draws": 1, "weight": "exp", "eps": 1e-3, "direction": "under", "seed": 0, "epoch": 0, "stream": 0}
    base = rank_gap_draws(*inputs, **asked)  # type: ignore[arg-type]
    for other in ({"seed": 1}, {"epoch": 1}, {"stream": 1}):
        again = rank_gap_draws(*inputs, **(asked | other))  # type: ignore[arg-type]
        assert float((again == base).float().mean()) < 0.2


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    inputs, seen = tables((100, 301, 7, 33)), history(100, 301, 0.1)
    same_bytes(lambda: rank_gap_lists(*inputs, requests(40, 0.02, 2.0), seed=0, epoch=0, seen=seen))


def test_float64_takes_the_twin() -> None:
    inputs = tuple(table.double().round() for table in tables((5, 40, 3, 3)))
    single = tuple(table.float() for table in inputs)
    for a, b in zip(*(rank_gap_lists(*t, requests(4, 0.1), seed=0, epoch=0) for t in (inputs, single)), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("which", [0, 2])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_scores_that_are_not_finite_name_the_user(which: int, value: float) -> None:
    inputs = tables((70, 60, 5, 5))
    inputs[which][66] = value
    for lists in (rank_gap_lists, reference.rank_gap_lists):
        with pytest.raises(FloatingPointError, match="user 66 "):
            lists(*inputs, requests(2, 0.1), seed=0, epoch=0)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"draws": -1}, ValueError, "draws must lie in"),  # the rest: test_gap_requests.py
        ({"users_B": torch.tensor([7])}, ValueError, "users_B must lie in"),
        ({"users_B": torch.tensor([[0]])}, ValueError, "one dimension"),
        ({"seen": history(6, 30, 0.1)}, ValueError, "one for each of 7 users"),
        ({"seen": history(7, 40, 0.9)}, ValueError, r"seen\.indices must lie in"),
    ],
)
def test_misuse(change: dict[str, Any], error: type[Exception], match: str) -> None:
    asked = {"draws": 1, "weight": "exp", "eps": 1e-3, "direction": "under", "seed": 0, "epoch": 0, "stream": 0}
    with pytest.raises(error, match=match):
        rank_gap_draws(*tables((7, 30, 3, 1)), **(asked | change))


def test_misuse_of_tables() -> None:
    user, item, other_user, other_item = tables((7, 30, 3, 1))
    with pytest.raises(ValueError, match="7 users and 29 items"):
        rank_gap_lists(user, item, other_user, other_item[1:], [], seed=0, epoch=0)
    with pytest.raises(ValueError, match="width"):
        rank_gap_lists(user, other_item, other_user, other_item, [], seed=0, epoch=0)
    falling = CSR(torch.tensor([0, 2, 2, 2, 2, 2, 2, 2]), torch.tensor([4, 4], dtype=torch.int32))
    with pytest.raises(ValueError, match="ascending"):
        rank_gap_lists(user, item, other_user, other_item, [], seed=0, epoch=0, seen=falling)
