"""log Σ e^s over all items but some, differentiable: the denominators of losses over the whole catalogue."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import as_ids, check_ascending_rows, check_indptr, check_tables, is_native
from rcekd.kernels.csr import CSR
from rcekd.kernels.library import address, raise_for_memory, register
from rcekd.kernels.once import differentiable_once
from rcekd.work import report


def rest_log_sum(user_RD: Tensor, item_ID: Tensor, user_R: Tensor, left_out: CSR) -> Tensor:
    """log Σ_{i ∉ left_out[user_R[r]]} e^{user_r · item_i}, [R]; −inf where every item is left out.

    user_RD, item_ID: factors, differentiable once, in one floating dtype; row r of user_RD belongs to user `user_R[r]`.
    left_out: a CSR over all users, every row ascending without repeats (`CSR.sorted_unique`). In float32 the scores are
    the FMA chains of the top-K scan, and value and gradients the same bytes for any number of threads; a row with a
    score that is NaN or +inf gets NaN. Costs R·I·D multiply-adds, 4·R·I·D with both gradients, and a copy of a factor
    table. Raises TypeError or ValueError for wrong dtypes, shapes or ids.
    """
    check_tables(user_RD, item_ID)
    items = as_ids("left_out.indices", left_out.indices, item_ID.shape[0], dims=1)
    check_indptr("left_out.indptr", left_out.indptr, items.numel())
    indptr = left_out.indptr.contiguous()
    check_ascending_rows("left_out", indptr, items)
    if user_R.dim() != 1 or user_RD.shape[0] != user_R.numel():
        raise ValueError(f"user_RD has {user_RD.shape[0]} rows, user_R {user_R.numel()}")
    user_R = as_ids("user_R", user_R, left_out.n_rows)
    if not is_native(user_RD, item_ID):
        return reference.rest_log_sum(user_RD, item_ID, user_R, CSR(indptr, items))
    sum_R: Tensor = _RestLogSum.apply(user_RD, item_ID, user_R, indptr, items)  # type: ignore[no-untyped-call]
    return sum_R


class _RestLogSum(Function):
    """Forward also makes every row's mean item, which is the users' gradient per unit of the sum's.

    The items' gradient takes a second pass over the scores, in backward.
    """

    @staticmethod
    def forward(ctx: Any, user_RD: Tensor, item_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor) -> Tensor:
        user_RD, item_ID = user_RD.contiguous(), item_ID.contiguous()
        sum_R, mean_RD = _sums(user_RD, item_ID, user_R, indptr, items, ctx.needs_input_grad[0])
        ctx.save_for_backward(user_RD, item_ID, user_R, indptr, items, sum_R, mean_RD)
        value: Tensor = sum_R
        return value

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_R: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, sum_R, mean_RD = ctx.saved_tensors
        need_user, need_item = ctx.needs_input_grad[:2]
        user_grad = grad_R[:, None] * mean_RD if need_user else None
        item_grad = _item_gradient(*inputs, sum_R, grad_R.contiguous()) if need_item else None
        return user_grad, item_grad, None, None, None


def _sums_cpu(
    user_RD: Tensor, item_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor, need_mean: bool
) -> tuple[Tensor, Tensor]:
    """The sums, and each row's mean item under the softmax over what is left; empty where it is not wanted."""
    sum_R, mean_RD = user_RD.new_empty(user_R.shape), user_RD.new_empty(user_RD.shape if need_mean else 0)
    report(lambda: _work(user_RD, item_ID, 1 + need_mean))
    mean = mean_RD if need_mean else None
    raise_for_memory(_call(user_RD, item_ID, user_R, indptr, items, sum_R=sum_R, mean=mean))
    return sum_R, mean_RD


def _item_gradient_cpu(
    user_RD: Tensor, item_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor, sum_R: Tensor, grad_R: Tensor
) -> Tensor:
    item_grad = item_ID.new_empty(item_ID.shape)
    report(lambda: _work(user_RD, item_ID, 2))
    raise_for_memory(_call(user_RD, item_ID, user_R, indptr, items, sum_R=sum_R, grad_R=grad_R, item_grad=item_grad))
    return item_grad


def _call(
    user_RD: Tensor,
    item_ID: Tensor,
    user_R: Tensor,
    indptr: Tensor,
    items: Tensor,
    *,
    sum_R: Tensor,
    mean: Tensor | None = None,
    grad_R: Tensor | None = None,
    item_grad: Tensor | None = None,
) -> int:
    status: int = _native.rest_log_sum(
        user_RD.data_ptr(),
        item_ID.data_ptr(),
        user_R.data_ptr(),
        indptr.data_ptr(),
        items.data_ptr(),
        user_R.numel(),
        item_ID.shape[0],
        item_ID.shape[1],
        sum_R.data_ptr(),
        address(mean),
        address(grad_R),
        address(item_grad),
        torch.get_num_threads(),
    )
    return status


def _sums_cuda(
    user_RD: Tensor, item_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor, need_mean: bool
) -> tuple[Tensor, Tensor]:
    sum_R, mean_RD = user_RD.new_empty(user_R.shape), user_RD.new_empty(user_RD.shape if need_mean else 0)
    report(lambda: _work(user_RD, item_ID, 1 + need_mean))
    _run(user_RD, item_ID, user_R, indptr, items, sum=sum_R, mean=mean_RD if need_mean else None)
    return sum_R, mean_RD


def _item_gradient_cuda(
    user_RD: Tensor, item_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor, sum_R: Tensor, grad_R: Tensor
) -> Tensor:
    item_grad = torch.empty_like(item_ID)
    report(lambda: _work(user_RD, item_ID, 2))
    _run(user_RD, item_ID, user_R, indptr, items, sum=sum_R, grad=grad_R, item_grad=item_grad)
    return item_grad


def _run(user_RD: Tensor, item_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor, **tables: Any) -> None:
    cuda_library.run(
        "rest_log_sum",
        user_RD,
        user_factor=user_RD,
        item_factor=item_ID,
        user=user_R,
        left_indptr=indptr,
        left_item=items,
        rows=user_R.numel(),
        items=item_ID.shape[0],
        width=item_ID.shape[1],
        **tables,
    )


def _work(user_RD: Tensor, item_ID: Tensor, passes: int) -> tuple[float, float]:
    """Every pass is one multiply-add per row, item and dimension; the tables are read, and one like them is written."""
    (rows, width), catalogue = user_RD.shape, item_ID.shape[0]
    return 2 * passes * rows * catalogue * width, 4 * width * (rows + catalogue + (catalogue if passes == 2 else rows))


_sums = register(
    "rest_log_sum(Tensor user_RD, Tensor item_ID, Tensor user_R, Tensor indptr, Tensor items, bool need_mean)"
    " -> (Tensor, Tensor)",
    _sums_cpu,
    _sums_cuda,
)
_item_gradient = register(
    "rest_log_sum_item_gradient(Tensor user_RD, Tensor item_ID, Tensor user_R, Tensor indptr, Tensor items,"
    " Tensor sum_R, Tensor grad_R) -> Tensor",
    _item_gradient_cpu,
    _item_gradient_cuda,
)
