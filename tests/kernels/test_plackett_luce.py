"""The native Plackett–Luce loss and its gradient: the formula as loops, the twin, its edges, and as a probability."""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.plackett_luce import plackett_luce

# rows, width, positives
SHAPES = [(1, 1, 1), (5, 9, 1), (40, 17, 16), (7, 16, 16), (60, 140, 40), (9, 70, 65), (6, 33, 17), (3, 1300, 1200)]
NAN, INF = math.nan, math.inf
both = pytest.mark.parametrize("loss_of", [plackett_luce, reference.plackett_luce], ids=["native", "twin"])
Loss = Callable[..., Tensor]


class Case(NamedTuple):
    """Inputs of one call and the gradient that comes back."""

    score: Tensor
    mask: Tensor
    positives: int
    grad: Tensor

    def double(self) -> "Case":
        return Case(self.score.double(), self.mask, self.positives, self.grad.double())


def make(shape: tuple[int, int, int], *, scale: float = 1.0, padding: float = 0.3, seed: int = 0) -> Case:
    rows, width, positives = shape
    generator = torch.Generator().manual_seed(seed)
    score = scale * torch.randn(rows, width, generator=generator)
    mask = torch.rand(rows, width, generator=generator) >= padding
    return Case(score, mask, positives, torch.randn(rows, generator=generator))


def outcome(loss_of: Loss, case: Case) -> list[Tensor]:
    """Loss and gradient."""
    score = case.score.clone().requires_grad_()
    loss = loss_of(score, case.mask, positives=case.positives)
    loss.backward(case.grad)  # type: ignore[no-untyped-call]
    assert score.grad is not None
    return [loss.detach(), score.grad]


def of_row(loss_of: Loss, score: list[float], *, positives: int, mask: list[bool] | None = None) -> tuple[float, Any]:
    """Loss and slopes of a single row."""
    counted = torch.tensor([mask or [True] * len(score)])
    loss, slope = outcome(loss_of, Case(torch.tensor([score]), counted, positives, torch.ones(1)))
    return loss.item(), slope[0].tolist()


def by_hand(case: Case) -> tuple[list[float], list[list[float]]]:
    """Losses and slopes of what counts, choice by choice: each place's softmax over itself and what is left."""
    losses, slopes = [], []
    for score, mask in zip(case.score.tolist(), case.mask.tolist(), strict=True):
        loss, slope = 0.0, [0.0] * len(score)
        for k in (k for k in range(case.positives) if mask[k]):
            left = [i for i in range(k, len(score)) if mask[i]]
            top = max(score[i] for i in left)
            share = {i: math.exp(score[i] - top) for i in left}
            total = math.fsum(share.values())
            loss += top - score[k] + math.log(total)
            slope = [was + share.get(i, 0.0) / total for i, was in enumerate(slope)]
            slope[k] -= 1.0
        losses.append(loss)
        slopes.append(slope)
    return losses, slopes


def assert_is_by_hand(loss_of: Loss, shape: tuple[int, int, int], scale: float, seed: int) -> None:
    case = make(shape, scale=scale, seed=seed)._replace(grad=torch.ones(shape[0]))
    (loss, slope), (losses, slopes) = outcome(loss_of, case), by_hand(case)
    assert loss.tolist() == pytest.approx(losses, rel=1e-6, abs=1e-7)
    for found, expected in zip(slope.tolist(), slopes, strict=True):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


@both
@settings(deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.1, 1.0, 8.0, 1e3]))
def test_it_is_the_formula_on_what_counts(loss_of: Loss, seed: int, scale: float) -> None:
    assert_is_by_hand(loss_of, (7, 9, 5), scale, seed)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e6, 1e12, 1e36]))
def test_it_is_the_formula_at_any_size(seed: int, scale: float) -> None:
    assert_is_by_hand(plackett_luce, (3, 40, 20), scale, seed)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("padding", [0.0, 0.3, 0.9, 1.1])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_twin(
    shape: tuple[int, int, int],
    padding: float,
    scale: float,
    assert_as_exact: Callable[[Tensor, Tensor, Tensor], None],
) -> None:
    case = make(shape, scale=scale, padding=padding)
    found, plain = outcome(plackett_luce, case), outcome(reference.plackett_luce, case)
    for triple in zip(found, plain, outcome(reference.plackett_luce, case.double()), strict=True):
        assert_as_exact(*triple)
    assert not bool(found[1][~case.mask].any())
    torch.testing.assert_close(found[0], plain[0], rtol=1e-6, atol=1e-12)  # each row by its own measure


def test_ties(assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    case = make(SHAPES[4], scale=3.0)
    case = case._replace(score=case.score.round())
    twins = (outcome(reference.plackett_luce, one) for one in (case, case.double()))
    for triple in zip(outcome(plackett_luce, case), *twins, strict=True):
        assert_as_exact(*triple)


def test_small_losses_keep_their_digits() -> None:
    loss, _ = of_row(plackett_luce, [20.0, 0.0], positives=1)
    assert loss == pytest.approx(math.log1p(math.exp(-20.0)), rel=1e-6)


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    for shape in [*SHAPES, (500, 30, 20)]:
        for scale in (1.0, 50.0):
            case = make(shape, scale=scale)
            same_bytes(lambda case=case: outcome(plackett_luce, case))  # type: ignore[misc]


def test_rows_leave_no_trace_in_one_another() -> None:
    case = make(SHAPES[4], scale=3.0)
    loss, slope = outcome(plackett_luce, case)
    for r in (0, 31, 59):
        one = Case(case.score[r : r + 1], case.mask[r : r + 1], case.positives, case.grad[r : r + 1])
        alone, its_slope = outcome(plackett_luce, one)
        assert torch.equal(alone[0], loss[r])
        assert torch.equal(its_slope[0], slope[r])


@both
def test_padding_may_hold_anything(loss_of: Loss) -> None:
    case = make(SHAPES[4])
    expected = outcome(loss_of, case)
    for filling in (NAN, INF, -INF, 3e38):
        other = case._replace(score=case.score.masked_fill(~case.mask, filling))
        for a, b in zip(outcome(loss_of, other), expected, strict=True):
            assert torch.equal(a, b)


def test_padding_may_stand_anywhere() -> None:
    case = make(SHAPES[4], padding=0.0)
    loss, slope = outcome(plackett_luce, case)
    spread, counted = torch.zeros(60, 280), torch.zeros(60, 280, dtype=torch.bool)
    spread[:, ::2], counted[:, ::2] = case.score, True
    among, its_slope = outcome(plackett_luce, Case(spread, counted, 80, case.grad))
    torch.testing.assert_close(among, loss, rtol=1e-6, atol=0.0)
    torch.testing.assert_close(its_slope[:, ::2], slope, rtol=1e-6, atol=1e-6)


@both
@pytest.mark.parametrize("width", [3, 5])
def test_rows_without_positives_or_without_others(loss_of: Loss, width: int) -> None:
    score, mask = torch.tensor([[1.0, 2.0, 0.0, NAN, 9.0]] * 2), torch.zeros(2, 5, dtype=torch.bool)
    mask[0, 3:], mask[1, :3] = True, True
    loss, slope = outcome(loss_of, Case(score[:, :width], mask[:, :width], 3, torch.ones(2)))
    expected = math.log(math.exp(1) + math.exp(2) + 1) - 1 + math.log(math.exp(2) + 1) - 2
    assert loss.tolist() == pytest.approx([0.0, expected])
    assert not bool(slope[0].any())
    assert not bool(slope[1, 3:].any())


@both
def test_no_rows(loss_of: Loss) -> None:
    loss, slope = outcome(loss_of, make((0, 4, 2)))
    assert loss.shape == (0,)
    assert slope.shape == (0, 4)


@pytest.mark.parametrize("scale", [300.0, 1e4, 1e38])
def test_scores_far_apart_are_no_trouble(scale: float) -> None:
    score = [-scale, scale, 0.5 * scale, 0.9 * scale, -scale]
    loss, slope = of_row(plackett_luce, score, positives=3)
    assert loss == pytest.approx(2.4 * scale, rel=1e-6)
    assert slope == [-1.0, 1.0, -1.0, 1.0, 0.0]


def test_the_widest_range_of_all_is_infinite_in_float32_and_no_more() -> None:
    highest = torch.finfo(torch.float32).max
    loss, slope = of_row(plackett_luce, [-highest, highest], positives=2)
    assert loss == INF
    assert slope == [-1.0, 1.0]
    assert of_row(plackett_luce, [-highest, -highest], positives=1)[0] == pytest.approx(math.log(2))


@both
@pytest.mark.parametrize("wrong", [NAN, INF])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_what_is_no_number_shows(loss_of: Loss, place: int, wrong: float) -> None:
    score = [1.0, 0.0, 2.0, -1.0, 5.0]
    score[place] = wrong
    loss, slope = of_row(loss_of, score, positives=2, mask=[True, True, True, True, False])
    assert math.isnan(loss)
    assert [math.isnan(one) for one in slope] == [True, True, True, True, False]


@both
def test_minus_infinity_is_what_never_comes(loss_of: Loss) -> None:
    assert of_row(loss_of, [1.0, 0.0, -INF], positives=2)[0] == pytest.approx(math.log1p(math.exp(-1)))
    loss, slope = of_row(loss_of, [-INF, 0.0, 0.0], positives=1)
    assert loss == INF
    assert slope == pytest.approx([-1.0, 0.5, 0.5])
    loss, slope = of_row(loss_of, [0.0, -INF, -INF], positives=2, mask=[True, True, False])
    assert math.isnan(loss)
    assert [math.isnan(one) for one in slope] == [True, True, False]


def test_the_rankings_of_a_set_share_out_its_probability() -> None:
    scores = torch.tensor([0.3, -1.0, 2.0, 0.5])
    orders = [[*first, *(set(range(4)) - set(first))] for first in itertools.permutations(range(4), 2)]
    loss = plackett_luce(scores[torch.tensor(orders)], torch.ones(12, 4).bool(), positives=2)
    assert (-loss).exp().sum().item() == pytest.approx(1.0)


def test_gradcheck() -> None:
    case = make((7, 9, 5)).double()
    score = case.score.requires_grad_()
    assert torch.autograd.gradcheck(lambda s: plackett_luce(s, case.mask, positives=5), score)
    assert plackett_luce(score, case.mask, positives=5).dtype == torch.float64


def test_slopes_of_a_row_sum_to_nothing() -> None:
    _, slope = outcome(plackett_luce, make(SHAPES[4], scale=3.0))
    torch.testing.assert_close(slope.double().sum(1), torch.zeros(60, dtype=torch.float64), rtol=0.0, atol=2e-5)


def test_any_layout() -> None:
    case = make(SHAPES[4])
    turned = Case(case.score.T.contiguous().T, case.mask.T.contiguous().T, case.positives, case.grad)
    for a, b in zip(outcome(plackett_luce, turned), outcome(plackett_luce, case), strict=True):
        assert torch.equal(a, b)


def test_without_gradients_and_twice() -> None:
    case = make(SHAPES[1])
    assert not plackett_luce(*case[:2], positives=1).requires_grad
    score = case.score.clone().requires_grad_()
    loss = (plackett_luce(score, case.mask, positives=1) * case.grad).sum()
    (first,) = torch.autograd.grad(loss, score, retain_graph=True)
    (second,) = torch.autograd.grad(loss, score)
    assert torch.equal(first, second)


@both
def test_the_gradient_of_the_gradient_is_refused(loss_of: Loss) -> None:
    score = make(SHAPES[1]).score.requires_grad_()
    loss = loss_of(score, torch.ones(5, 9).bool(), positives=2)
    for total in (loss.sum(), (loss**2).sum()):
        with pytest.raises(RuntimeError, match="differentiable once"):
            torch.autograd.grad(total, score, create_graph=True)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"positives": 0}, ValueError, r"positives must lie in \[1, 9\]"),
        ({"positives": 10}, ValueError, r"positives must lie in \[1, 9\]"),
        ({"mask": torch.ones(5, 8).bool()}, ValueError, r"mask_RW must have shape \[5, 9\]"),
        ({"mask": torch.ones(5, 9)}, TypeError, "mask_RW bool, not torch.float32 and torch.float32"),
        ({"mask": torch.ones(5, 9).bool().to_sparse()}, TypeError, "mask_RW must be a dense tensor"),
        ({"score": torch.zeros(5, 9).int()}, TypeError, "score_RW must be floating point and"),
        ({"score": torch.zeros(9)}, ValueError, r"score_RW must have shape \[R, W\]"),
        ({"score": torch.zeros(5, 0), "mask": torch.zeros(5, 0).bool()}, ValueError, r"positives must lie in \[1, 0\]"),
    ],
)
def test_misuse(change: dict[str, Any], error: type[Exception], match: str) -> None:
    case = make(SHAPES[1])._replace(**change)
    with pytest.raises(error, match=match):
        plackett_luce(case.score, case.mask, positives=case.positives)
