"""The native list scores and their gradients against the twin."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.pair_scores import pair_scores

# rows, items, width, listed
SHAPES = [(1, 1, 1, 1), (5, 40, 3, 17), (60, 300, 20, 100), (9, 70, 64, 16), (7, 50, 65, 33), (6, 90, 401, 40)]
# shapes with nothing in them
EMPTY = [(0, 5, 3, 4), (4, 5, 3, 0), (4, 0, 3, 2), (4, 5, 0, 2), (0, 0, 1, 0)]


class Case(NamedTuple):
    """Inputs of one call and the gradient that comes back."""

    user: Tensor
    item: Tensor
    listed: Tensor
    grad: Tensor

    def double(self) -> "Case":
        return Case(self.user.double(), self.item.double(), self.listed, self.grad.double())


def make(shape: tuple[int, ...], *, padding: str = "some") -> Case:
    rows, items, width, listed = shape
    generator = torch.Generator().manual_seed(0)
    user, item = torch.randn(rows, width, generator=generator), torch.randn(items, width, generator=generator)
    ids = torch.randint(max(items, 1), (rows, listed), generator=generator)
    hole = torch.rand(rows, listed, generator=generator) < {"none": 0.0, "some": 0.3, "all": 2.0}[padding]
    ids = ids.masked_fill(hole if items else torch.ones_like(hole), -1)
    return Case(user, item, ids, torch.randn(rows, listed, generator=generator))


def outcome(scores: Callable[..., Tensor], case: Case) -> list[Tensor]:
    """Scores and the two gradient tables."""
    user, item = case.user.clone().requires_grad_(), case.item.clone().requires_grad_()
    score = scores(user, item, case.listed)
    score.backward(case.grad)  # type: ignore[no-untyped-call]
    assert user.grad is not None
    assert item.grad is not None
    return [score.detach(), user.grad, item.grad]


@pytest.mark.parametrize("padding", ["none", "some", "all"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_twin(
    shape: tuple[int, ...], padding: str, assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]
) -> None:
    case = make(shape, padding=padding)
    found, plain = outcome(list_scores, case), outcome(reference.list_scores, case)
    exact = outcome(reference.list_scores, case.double())
    for triple in zip(found, plain, exact, strict=True):
        assert_as_exact(*triple)
    assert not bool(found[0][case.listed < 0].any())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whole_numbers_are_exact(shape: tuple[int, ...]) -> None:
    case = Case(*((t * 4).round() if t.is_floating_point() else t for t in make(shape)))
    for found, expected in zip(outcome(list_scores, case), outcome(reference.list_scores, case), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_nothing(shape: tuple[int, ...]) -> None:
    score, user_grad, item_grad = outcome(list_scores, make(shape))
    assert score.shape == (shape[0], shape[3])
    assert user_grad.shape == (shape[0], shape[2])
    assert item_grad.shape == (shape[1], shape[2])
    assert float(score.abs().sum() + user_grad.abs().sum() + item_grad.abs().sum()) == 0.0


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_chain_of_pair_scores(shape: tuple[int, ...]) -> None:
    case = make(shape, padding="none")
    indptr = torch.arange(shape[0] + 1) * shape[3]
    pairs = pair_scores(case.user, case.item, torch.arange(shape[0]), indptr, case.listed.flatten())
    assert torch.equal(list_scores(case.user, case.item, case.listed).flatten(), pairs)


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    for shape in SHAPES:
        case = make(shape)
        same_bytes(lambda case=case: outcome(list_scores, case))  # type: ignore[misc]


def test_rows_leave_no_trace_in_one_another() -> None:
    case = make(SHAPES[2])
    whole = outcome(list_scores, case)
    for r in (0, 31, 59):
        part = Case(case.user[r : r + 1], case.item, case.listed[r : r + 1], case.grad[r : r + 1])
        score, user_grad, _ = outcome(list_scores, part)
        assert torch.equal(score[0], whole[0][r])
        assert torch.equal(user_grad[0], whole[1][r])


def test_gradcheck() -> None:
    case = make((4, 6, 3, 5)).double()
    factors = (case.user.requires_grad_(), case.item.requires_grad_())
    assert torch.autograd.gradcheck(lambda u, v: list_scores(u, v, case.listed), factors)


@pytest.mark.parametrize("wanted", [0, 1])
def test_only_wanted_gradients(wanted: int) -> None:
    case = make(SHAPES[2])
    tables = [case.user.clone(), case.item.clone()]
    tables[wanted].requires_grad_()
    list_scores(*tables, case.listed).backward(case.grad)  # type: ignore[no-untyped-call]
    assert tables[1 - wanted].grad is None
    grad = tables[wanted].grad
    assert grad is not None
    assert torch.equal(grad, outcome(list_scores, case)[1 + wanted])


def test_without_gradients() -> None:
    case = make(SHAPES[2])
    assert not list_scores(*case[:3]).requires_grad


def test_gathered_users_and_any_layout() -> None:
    case = make(SHAPES[1])
    table = torch.randn(40, 3).T.contiguous().T.requires_grad_()
    row = torch.tensor([3, 3, 0, 39, 7])
    list_scores(table[row], case.item, case.listed.int()).backward(case.grad.T.contiguous().T)  # type: ignore[no-untyped-call]
    expected = outcome(list_scores, case._replace(user=table.detach()[row]))[1]
    assert table.grad is not None
    torch.testing.assert_close(table.grad, torch.zeros(40, 3).index_add(0, row, expected))


def test_a_gradient_twice_over_kept_inputs() -> None:
    case = make(SHAPES[1])
    user = case.user.clone().requires_grad_()
    loss = (list_scores(user, case.item, case.listed) * case.grad).sum()
    (first,) = torch.autograd.grad(loss, user, retain_graph=True)
    (second,) = torch.autograd.grad(loss, user)
    assert torch.equal(first, second)


def test_the_gradient_of_the_gradient_is_refused() -> None:
    case = make(SHAPES[1])
    user = case.user.clone().requires_grad_()
    for total in (lambda score: score.sum(), lambda score: (score**2).sum()):
        with pytest.raises(RuntimeError, match="differentiable once"):
            torch.autograd.grad(total(list_scores(user, case.item, case.listed)), user, create_graph=True)


@pytest.mark.parametrize("scores", [list_scores, reference.list_scores], ids=["native", "twin"])
def test_padding_meets_no_nan(scores: Callable[..., Tensor]) -> None:
    case = make((4, 6, 3, 5), padding="all")
    case.item[:] = torch.nan
    for found in outcome(scores, case):
        assert not bool(found.any())


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"listed": torch.full((5, 2), 40)}, ValueError, "item_RW must lie in"),
        ({"listed": torch.full((5, 2), -2)}, ValueError, "item_RW must lie in"),
        ({"listed": torch.zeros(5, 2)}, TypeError, "item_RW must be int32 or int64"),
        ({"listed": torch.zeros(4, 2, dtype=torch.int64)}, ValueError, r"item_RW must have shape \[5, W\]"),
        ({"listed": torch.zeros(5, dtype=torch.int64)}, ValueError, r"item_RW must have shape \[5, W\]"),
        ({"user": torch.zeros(5, 4)}, ValueError, "width 4"),
        ({"user": torch.zeros(5, 3, dtype=torch.float64)}, TypeError, "share dtype"),
        ({"item": torch.zeros(40, 3, 1)}, ValueError, r"\[rows, D\]"),
    ],
)
def test_misuse(change: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        list_scores(*make(SHAPES[1])._replace(**change)[:3])
