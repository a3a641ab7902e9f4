"""The native BPR loss and gradients against the twin."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.bpr import bpr_loss

# users, items, width, batch, negatives
SHAPES = [
    (1, 2, 1, 1, 1),
    (5, 7, 3, 17, 1),
    (40, 50, 20, 100, 1),
    (11, 13, 64, 33, 3),
    (300, 500, 400, 129, 1),
    (70000, 2100, 6, 1000, 2),
]
Loss = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def batch(shape: tuple[int, ...], seed: int = 0, scale: float = 1.0) -> tuple[Tensor, ...]:
    users, items, width, size, negatives = shape
    generator = torch.Generator().manual_seed(seed)
    user = scale * torch.randn(users, width, generator=generator) / width**0.25
    item = scale * torch.randn(items, width, generator=generator) / width**0.25
    ids = (
        torch.randint(bound, wanted, generator=generator)
        for bound, wanted in ((users, (size,)), (items, (size,)), (items, (size, negatives)))
    )
    return user, item, *ids


def gradients(loss: Loss, user: Tensor, item: Tensor, *ids: Tensor, scale: float = 1.0) -> list[Tensor]:
    """Loss and the two gradient tables, dense."""
    user, item = user.detach().clone().requires_grad_(), item.detach().clone().requires_grad_()
    value = loss(user, item, *ids)
    (scale * value).backward()
    return [value.detach(), *(t.grad.to_dense() for t in (user, item) if t.grad is not None)]


def compare(check: Callable[[Tensor, Tensor, Tensor], None], inputs: tuple[Tensor, ...], scale: float = 1.0) -> None:
    found = gradients(bpr_loss, *inputs, scale=scale)
    plain = gradients(reference.bpr_loss, *inputs, scale=scale)
    exact = gradients(reference.bpr_loss, inputs[0].double(), inputs[1].double(), *inputs[2:], scale=scale)
    for triple in zip(found, plain, exact, strict=True):
        check(*triple)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64], ids=str)
def test_equals_twin(
    shape: tuple[int, ...], dtype: torch.dtype, assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]
) -> None:
    user, item, *ids = batch(shape)
    compare(assert_as_exact, (user, item, *(i.to(dtype) for i in ids)))


@pytest.mark.parametrize("loss", [bpr_loss, reference.bpr_loss], ids=["native", "twin"])
def test_by_hand(loss: Loss) -> None:
    """Users (1, 2) and (0, −1) score items (1, 0), (0, 1), (2, 2) as 1, 2, 6 and 0, −1, −2."""
    user, item = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]])
    ids = (torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([[0, 2], [1, 2]]))
    value, user_grad, _ = gradients(loss, user, item, *ids)
    gaps = [2.0 - 1.0, 2.0 - 6.0, 0.0 + 1.0, 0.0 + 2.0]
    assert value.item() == pytest.approx(sum(math.log1p(math.exp(-gap)) / 2 for gap in gaps))
    # −σ(−gap) / 2 · (positive − negative), for the first user's two negatives.
    slopes = [-1 / (1 + math.exp(gap)) / 2 for gap in gaps[:2]]
    assert user_grad[0].tolist() == pytest.approx([-slopes[0] - 2 * slopes[1], slopes[0] - slopes[1]], rel=1e-5)


@pytest.mark.parametrize("scale", [1e-4, 30.0, 1e4])
def test_extreme_scores(scale: float, assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    compare(assert_as_exact, batch((50, 60, 20, 200, 2), scale=scale))


def test_backward_scales(assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    compare(assert_as_exact, batch((5, 7, 3, 17, 2)), scale=0.3)


def test_one_item_everywhere(assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    user, item, *_ = batch((3, 4, 20, 1, 1))
    ids = torch.zeros(500, dtype=torch.int64)
    compare(assert_as_exact, (user, item, ids, ids, ids[:, None]))


def test_gradient_is_row_sparse_for_leaves() -> None:
    user, item, user_B, positive_B, negative_BN = batch((40, 50, 20, 30, 2))
    user.requires_grad_(), item.requires_grad_()
    bpr_loss(user, item, user_B, positive_B, negative_BN).backward()
    for table, ids in ((user, user_B), (item, torch.cat([positive_B, negative_BN.flatten()]))):
        assert table.grad is not None
        assert table.grad.is_sparse
        assert torch.equal(table.grad._indices()[0], ids.unique())
        assert table.grad._values().shape == (ids.unique().numel(), 20)


def test_gradient_flows_through_other_tensors() -> None:
    user, item, *ids = batch((40, 50, 20, 30, 1))
    user.requires_grad_(), item.requires_grad_()
    bpr_loss(user * 2, item, *ids).backward()
    assert user.grad is not None
    assert not user.grad.is_sparse
    expected = gradients(reference.bpr_loss, user.detach() * 2, item.detach(), *ids)
    torch.testing.assert_close(user.grad, 2 * expected[1])


@pytest.mark.parametrize("wanted", [0, 1])
def test_only_wanted_gradients(wanted: int) -> None:
    inputs = batch((40, 50, 20, 30, 1))
    tables = [inputs[0].clone(), inputs[1].clone()]
    tables[wanted].requires_grad_()
    bpr_loss(*tables, *inputs[2:]).backward()
    assert tables[1 - wanted].grad is None
    grad = tables[wanted].grad
    assert grad is not None
    torch.testing.assert_close(grad.to_dense(), gradients(bpr_loss, *inputs)[1 + wanted], rtol=0, atol=0)


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    for shape in SHAPES[1:5]:
        inputs = batch(shape)
        same_bytes(lambda inputs=inputs: gradients(bpr_loss, *inputs))  # type: ignore[misc]


def test_gradcheck() -> None:
    user, item, *ids = batch((4, 6, 3, 9, 2))
    factors = (user.double().requires_grad_(), item.double().requires_grad_())
    assert torch.autograd.gradcheck(lambda u, v: bpr_loss(u, v, *ids), factors)


def test_nan_comes_through() -> None:
    user, item, *ids = batch((4, 6, 3, 9, 2))
    user[ids[0][0]] = torch.nan
    assert bpr_loss(user, item, *ids).isnan()


def test_empty_batch() -> None:
    user, item, *_ = batch((4, 6, 3, 9, 2))
    none = torch.zeros(0, dtype=torch.int32)
    assert float(bpr_loss(user, item, none, none, none.reshape(0, 1))) == 0.0


def test_misuse() -> None:
    user, item, user_B, positive_B, negative_BN = batch((4, 6, 3, 9, 2))
    with pytest.raises(ValueError, match="user_B must lie in"):
        bpr_loss(user, item, user_B + 4, positive_B, negative_BN)
    with pytest.raises(ValueError, match="negative_BN must lie in"):
        bpr_loss(user, item, user_B, positive_B, negative_BN - 6)
    with pytest.raises(ValueError, match="positive_B must have shape"):
        bpr_loss(user, item, user_B, positive_B[:-1], negative_BN)
    with pytest.raises(ValueError, match="N ≥ 1"):
        bpr_loss(user, item, user_B, positive_B, negative_BN[:, :0])
    with pytest.raises(TypeError, match="int32 or int64"):
        bpr_loss(user, item, user_B.float(), positive_B, negative_BN)
    with pytest.raises(ValueError, match="width"):
        bpr_loss(user, item[:, :2], user_B, positive_B, negative_BN)
    loss = bpr_loss(user.requires_grad_(), item, user_B, positive_B, negative_BN)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="second backward"):
        loss.backward()
