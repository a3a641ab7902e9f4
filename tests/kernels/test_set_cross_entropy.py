"""The native cross-entropy over item sets, with its gradients, against the twin."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.set_cross_entropy import ItemSets, set_cross_entropy
from rcekd.kernels.set_softmax import set_softmax


class Case(NamedTuple):
    """Inputs of one loss."""

    user: Tensor
    item: Tensor
    sets: ItemSets
    user_R: Tensor
    set_R: Tensor
    weight_R: Tensor

    def double(self) -> "Case":
        sets = self.sets._replace(prob=self.sets.prob.double())
        return self._replace(
            user=self.user.double(), item=self.item.double(), sets=sets, weight_R=self.weight_R.double()
        )


# users, items, width, sets, longest set, rows
SHAPES = [
    (1, 1, 1, 1, 1, 1),
    (5, 40, 3, 4, 17, 9),
    (60, 300, 20, 50, 100, 120),
    (30, 333, 50, 20, 33, 40),
    (9, 70, 64, 8, 64, 16),
    (7, 50, 65, 6, 40, 11),
    (11, 90, 400, 10, 50, 20),
]


def make(shape: tuple[int, ...], *, seed: int = 0, scale: float = 1.0, shortest: int = 0) -> Case:
    users, items, width, sets, longest, rows = shape
    generator = torch.Generator().manual_seed(seed)
    user = scale * torch.randn(users, width, generator=generator) / width**0.25
    item = scale * torch.randn(items, width, generator=generator) / width**0.25
    length = torch.randint(shortest, longest + 1, (sets,), generator=generator)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), length.cumsum(0)])
    ids = torch.randint(items, (int(indptr[-1]),), generator=generator, dtype=torch.int32)
    prob = set_softmax(2 * torch.randn(ids.numel(), generator=generator), indptr)
    user_R = torch.randint(users, (rows,), generator=generator)
    set_R = torch.randint(sets, (rows,), generator=generator)
    return Case(user, item, ItemSets(indptr, ids, prob), user_R, set_R, torch.rand(rows, generator=generator))


def gradients(loss: Callable[..., Tensor], case: Case, scale: float = 1.0, **options: Any) -> list[Tensor]:
    """Loss and the two gradient tables."""
    user, item = case.user.clone().requires_grad_(), case.item.clone().requires_grad_()
    value = loss(user, item, *case[2:], **options)
    (scale * value).backward()
    assert user.grad is not None
    assert item.grad is not None
    return [value.detach(), user.grad, item.grad]


def compare(check: Callable[[Tensor, Tensor, Tensor], None], case: Case, **options: Any) -> None:
    found = gradients(set_cross_entropy, case, **options)
    plain = gradients(reference.set_cross_entropy, case, **options)
    exact = gradients(reference.set_cross_entropy, case.double(), **options)
    for triple in zip(found, plain, exact, strict=True):
        check(*triple)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("tau", [1.0, 10.0, 0.3])
def test_equals_twin(
    shape: tuple[int, ...], tau: float, assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]
) -> None:
    compare(assert_as_exact, make(shape), tau=tau, scale=0.7)


@pytest.mark.parametrize("loss", [set_cross_entropy, reference.set_cross_entropy], ids=["native", "twin"])
def test_by_hand(loss: Callable[..., Tensor]) -> None:
    """User 2 scores items 0, 1, 2 as 2, 4, 6; its set holds 0 and 2 with 1/4 and 3/4, and counts three times."""
    user, item = torch.tensor([[5.0], [7.0], [2.0]]), torch.tensor([[1.0], [2.0], [3.0]])
    sets = ItemSets(torch.tensor([0, 1, 3]), torch.tensor([1, 0, 2]), torch.tensor([1.0, 0.25, 0.75]))
    case = Case(user, item, sets, torch.tensor([2, 0]), torch.tensor([1, 0]), torch.tensor([3.0, 9.0]))
    value, user_grad, item_grad = gradients(loss, case, tau=2.0)
    q = 1 / (1 + math.exp(6 / 2 - 2 / 2))  # of item 0; set 0 holds one item, which costs nothing
    assert value.item() == pytest.approx(-3 * (0.25 * math.log(q) + 0.75 * math.log(1 - q)), rel=1e-5)
    assert item_grad.flatten().tolist() == pytest.approx(
        [3 * (q - 0.25) * 2 / 2, 0.0, 3 * (0.25 - q) * 2 / 2], rel=1e-5, abs=1e-6
    )
    assert user_grad.flatten().tolist() == pytest.approx([0.0, 0.0, 3 * (q - 0.25) * (1 - 3) / 2], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 10.0, 1e3, 1e15])
def test_extreme_scores(scale: float, assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    case = make((60, 300, 20, 50, 100, 120), scale=scale)
    found = gradients(set_cross_entropy, case)
    assert all(bool(tensor.isfinite().all()) for tensor in found)
    compare(assert_as_exact, case)


def test_equal_scores() -> None:
    case = make((60, 300, 20, 50, 100, 120))
    case = case._replace(item=torch.ones_like(case.item))
    exact = gradients(reference.set_cross_entropy, case.double())
    for found, expected in zip(gradients(set_cross_entropy, case), exact, strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)  # the users' gradient is 0


def test_single_items_cost_nothing() -> None:
    case = make((6, 30, 20, 9, 1, 15), shortest=1)
    loss, user_grad, item_grad = gradients(set_cross_entropy, case)
    assert float(loss) == 0.0
    assert float(user_grad.abs().max()) == 0.0
    assert float(item_grad.abs().max()) == 0.0


def test_empty_sets_and_no_rows() -> None:
    case = make((6, 30, 20, 9, 10, 15))
    empty = ItemSets(torch.zeros(10, dtype=torch.int64), torch.zeros(0, dtype=torch.int32), torch.zeros(0))
    for nothing in (case._replace(sets=empty), Case(*case[:3], *(column[:0] for column in case[3:]))):
        loss, user_grad, item_grad = gradients(set_cross_entropy, nothing)
        assert float(loss) == 0.0
        assert user_grad.shape == (6, 20)
        assert float(user_grad.abs().max()) == float(item_grad.abs().max()) == 0.0


def test_weights_add_up() -> None:
    case = make((6, 30, 20, 9, 10, 15))
    once = gradients(set_cross_entropy, case._replace(weight_R=2 * case.weight_R))
    columns = (torch.cat([column, column]) for column in case[3:])
    twice = gradients(set_cross_entropy, Case(*case[:3], *columns))
    for a, b in zip(once, twice, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("wanted", [0, 1])
def test_only_wanted_gradients(wanted: int) -> None:
    case = make((60, 300, 20, 50, 100, 120))
    tables = [case.user.clone(), case.item.clone()]
    tables[wanted].requires_grad_()
    set_cross_entropy(*tables, *case[2:]).backward()
    assert tables[1 - wanted].grad is None
    grad = tables[wanted].grad
    assert grad is not None
    assert torch.equal(grad, gradients(set_cross_entropy, case)[1 + wanted])


def test_without_gradients() -> None:
    case = make((60, 300, 20, 50, 100, 120))
    loss = set_cross_entropy(*case)
    assert not loss.requires_grad
    assert torch.equal(loss, gradients(set_cross_entropy, case)[0])


def test_gradient_flows_through_other_tensors() -> None:
    case = make((60, 300, 20, 50, 100, 120))
    user = case.user.clone().requires_grad_()
    set_cross_entropy(user * 2, *case[1:]).backward()
    assert user.grad is not None
    torch.testing.assert_close(user.grad, 2 * gradients(set_cross_entropy, case._replace(user=2 * case.user))[1])


@pytest.mark.parametrize("shape", [SHAPES[1], SHAPES[2], SHAPES[5]], ids=str)
def test_same_bytes(shape: tuple[int, ...], same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    case = make(shape)
    same_bytes(lambda: gradients(set_cross_entropy, case, tau=2.0))


def test_gradcheck() -> None:
    case = make((4, 6, 3, 5, 4, 9)).double()
    factors = (case.user.requires_grad_(), case.item.requires_grad_())
    assert torch.autograd.gradcheck(lambda u, v: set_cross_entropy(u, v, *case[2:], tau=2.0), factors)


def test_nan_comes_through() -> None:
    case = make((4, 6, 3, 5, 4, 9), shortest=1)
    case.item[case.sets.items[0]] = torch.nan
    columns = (torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64), torch.ones(1))
    assert set_cross_entropy(*case[:3], *columns).isnan()


def test_misuse() -> None:
    case = make((4, 6, 3, 5, 4, 9), shortest=1)
    with pytest.raises(ValueError, match="tau must lie in"):
        set_cross_entropy(*case, tau=0.0)
    with pytest.raises(ValueError, match="user_R must lie in"):
        set_cross_entropy(*case._replace(user_R=case.user_R + 4))
    with pytest.raises(ValueError, match="set_R must lie in"):
        set_cross_entropy(*case._replace(set_R=case.set_R - 5))
    with pytest.raises(ValueError, match=r"sets\.items must lie in"):
        set_cross_entropy(*case._replace(sets=case.sets._replace(items=case.sets.items + 6)))
    with pytest.raises(ValueError, match=r"sets\.indptr must run from 0"):
        set_cross_entropy(*case._replace(sets=case.sets._replace(indptr=case.sets.indptr + 1)))
    with pytest.raises(ValueError, match="weight_R must have shape"):
        set_cross_entropy(*case._replace(weight_R=case.weight_R[:-1]))
    loss = set_cross_entropy(case.user.requires_grad_(), *case[1:])
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="second backward"):
        loss.backward()
