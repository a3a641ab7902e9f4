"""BPR loss of a batch of (user, positive, negatives) with its gradients (Rendle et al., UAI'09)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import as_ids, check_count, check_shape, check_tables, is_native
from rcekd.kernels.library import address, raise_for_memory, register
from rcekd.kernels.once import differentiable_once
from rcekd.work import report


def bpr_loss(
    user_factor_UD: Tensor, item_factor_ID: Tensor, user_B: Tensor, positive_B: Tensor, negative_BN: Tensor
) -> Tensor:
    """Σ_b mean_n softplus(−(s_up − s_un)), a scalar: summed over the batch, averaged over a row's N negatives.

    Factors [U, D] and [I, D]; ids int32 or int64. In float32 the gradients are made together with the loss, the same
    bytes for any number of threads: row-sparse (coalesced `sparse_coo`) for leaf tables on the CPU, dense for others
    and on a GPU, where counting rows would mean waiting; a second backward through one loss is refused. Raises
    TypeError or ValueError for wrong dtypes, shapes or ids.
    """
    check_tables(user_factor_UD, item_factor_ID)
    nothing = not user_B.numel() or not user_factor_UD.shape[1]  # no row of a gradient is filled
    native = is_native(user_factor_UD, item_factor_ID) and not nothing
    user_B, positive_B, negative_BN = _check_ids(
        user_factor_UD, item_factor_ID, user_B, positive_B, negative_BN, native
    )
    if not native:
        return reference.bpr_loss(user_factor_UD, item_factor_ID, user_B, positive_B, negative_BN)
    loss: Tensor = _BprLoss.apply(  # type: ignore[no-untyped-call]
        user_factor_UD,
        item_factor_ID,
        user_B,
        positive_B,
        negative_BN,
        (user_factor_UD.is_leaf, item_factor_ID.is_leaf),
    )
    return loss


def _check_ids(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    user_B: Tensor,
    positive_B: Tensor,
    negative_BN: Tensor,
    native: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    users, items = user_factor_UD.shape[0], item_factor_ID.shape[0]
    batch = user_B.numel()
    check_shape("user_B", user_B, (batch,))
    check_shape("positive_B", positive_B, (batch,))
    if negative_BN.dim() != 2 or not negative_BN.shape[1]:
        raise ValueError(f"negative_BN must have shape [B, N] with N ≥ 1, not {list(negative_BN.shape)}")
    check_shape("negative_BN", negative_BN, (batch, negative_BN.shape[1]))
    check_count("positives and negatives of a batch", batch + negative_BN.numel())  # slots are int32 in the core
    return (
        as_ids("user_B", user_B, users, kernel_checks=native),
        as_ids("positive_B", positive_B, items, kernel_checks=native),
        as_ids("negative_BN", negative_BN, items, kernel_checks=native),
    )


class _BprLoss(Function):
    """Gradients are made in forward; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        user_factor_UD: Tensor,
        item_factor_ID: Tensor,
        user_B: Tensor,
        positive_B: Tensor,
        negative_BN: Tensor,
        sparse: tuple[bool, bool],
    ) -> Tensor:
        need = ctx.needs_input_grad[:2]
        loss: Tensor
        loss, *found = _operation(
            user_factor_UD.contiguous(), item_factor_ID.contiguous(), user_B, positive_B, negative_BN, *need
        )
        ctx.gradients = found
        ctx.shapes = (user_factor_UD.shape, item_factor_ID.shape)
        ctx.sparse = sparse
        return loss

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("bpr_loss keeps no gradients for a second backward")
        scale = grad_outputs[0]
        same = scale.device.type == "cpu" and float(scale) == 1.0
        user_row, user_grad, item_row, item_grad = ctx.gradients
        ctx.gradients = None  # so that autograd may keep the values instead of copying them
        if not same:
            torch._foreach_mul_([user_grad, item_grad], scale)  # one kernel on a GPU; an unwanted table is empty
        tables: list[Tensor | None] = [None, None]
        for side, (row, value) in enumerate(((user_row, user_grad), (item_row, item_grad))):
            if ctx.needs_input_grad[side]:
                tables[side] = _table(row, value, ctx.shapes[side], ctx.sparse[side])
        return (*tables, None, None, None, None)


def _table(row: Tensor, value: Tensor, shape: torch.Size, sparse: bool) -> Tensor:
    """A gradient table from its non-zero rows (ascending), or as it is where it has come whole, without rows."""
    if value.shape == shape and not row.numel():
        return value
    if sparse:
        return torch.sparse_coo_tensor(row[None], value, shape, is_coalesced=True, check_invariants=False)
    return value.new_zeros(shape).index_copy_(0, row, value)


def _bpr_cpu(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    user_B: Tensor,
    positive_B: Tensor,
    negative_BN: Tensor,
    need_user: bool,
    need_item: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, negatives = negative_BN.shape
    width = user_factor_UD.shape[1]
    loss = user_factor_UD.new_empty(())
    room_user, room_item = batch * need_user, batch * (1 + negatives) * need_item
    user_row, item_row = (torch.empty(room, dtype=torch.int64) for room in (room_user, room_item))
    user_grad, item_grad = (user_factor_UD.new_empty(room, width) for room in (room_user, room_item))
    report(lambda: _work(negative_BN, width, need_user, need_item))
    status, user_rows, item_rows = _native.bpr(
        user_factor_UD.data_ptr(),
        item_factor_ID.data_ptr(),
        user_B.data_ptr(),
        positive_B.data_ptr(),
        negative_BN.data_ptr(),
        batch,
        negatives,
        width,
        loss.data_ptr(),
        address(user_row if need_user else None),
        address(user_grad if need_user else None),
        address(item_row if need_item else None),
        address(item_grad if need_item else None),
        torch.get_num_threads(),
    )
    raise_for_memory(status)
    return loss, user_row[:user_rows], user_grad[:user_rows], item_row[:item_rows], item_grad[:item_rows]


def _work(negative_BN: Tensor, width: int, need_user: bool, need_item: bool) -> tuple[float, float]:
    """A chain per sample and item, and as much for either gradient."""
    batch, negatives = negative_BN.shape
    pairs, sides = batch * (1 + negatives), 1 + need_user + need_item
    return 2 * pairs * width * sides, 4 * (batch + pairs) * width * (1 + need_user)


def _bpr_cuda(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    user_B: Tensor,
    positive_B: Tensor,
    negative_BN: Tensor,
    need_user: bool,
    need_item: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, negatives = negative_BN.shape
    (users, width), items = user_factor_UD.shape, item_factor_ID.shape[0]
    report(lambda: _work(negative_BN, width, need_user, need_item))
    loss = user_factor_UD.new_empty(())
    user_grad = torch.empty_like(user_factor_UD) if need_user else user_factor_UD.new_empty(0, width)
    item_grad = torch.empty_like(item_factor_ID) if need_item else item_factor_ID.new_empty(0, width)
    cuda_library.run(
        "bpr",
        user_B,
        user_factor=user_factor_UD,
        item_factor=item_factor_ID,
        user=user_B,
        positive=positive_B,
        negative=negative_BN,
        batch=batch,
        negatives=negatives,
        width=width,
        loss=loss,
        user_grad=user_grad if need_user else None,
        item_grad=item_grad if need_item else None,
        user_rows=users,
        item_rows=items,
    )
    whole = user_factor_UD.new_empty(0, dtype=torch.int64)
    return loss, whole, user_grad, whole.clone(), item_grad


_operation = register(
    "bpr(Tensor user_factor_UD, Tensor item_factor_ID, Tensor user_B, Tensor positive_B, Tensor negative_BN,"
    " bool need_user, bool need_item) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _bpr_cpu,
    _bpr_cuda,
)
