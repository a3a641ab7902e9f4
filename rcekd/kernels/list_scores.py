"""Scores of one item list per row, differentiable, without a gathered factor tensor."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import as_ids, check_count, check_tables, is_native
from rcekd.kernels.library import address, raise_for_memory, register
from rcekd.kernels.once import differentiable_once


def list_scores(user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor) -> Tensor:
    """Score of user vector r with item `item_RW[r, w]`, [R, W]; −1 is padding: score 0, no gradient.

    Rows of `user_factor_RD` are the users already gathered, so that a caller writes
    `list_scores(model.user_factors(user_R), model.item_factors(), item_RW)`. Gradients flow to both tables, dense,
    once: a gradient of the gradient is refused. In float32 every score is one FMA chain in ascending
    dimension, bit for bit that of the top-K scan, and the gradients are the same bytes for any number of threads.
    Raises TypeError or ValueError for wrong dtypes, shapes or ids.
    """
    check_tables(user_factor_RD, item_factor_ID)
    if item_RW.dim() != 2 or item_RW.shape[0] != user_factor_RD.shape[0]:
        raise ValueError(f"item_RW must have shape [{user_factor_RD.shape[0]}, W], not {list(item_RW.shape)}")
    check_count("items per row", item_RW.shape[1])
    item_RW = as_ids("item_RW", item_RW, item_factor_ID.shape[0], lowest=-1)
    if not is_native(user_factor_RD, item_factor_ID):
        return reference.list_scores(user_factor_RD, item_factor_ID, item_RW)
    score_RW: Tensor = _ListScores.apply(user_factor_RD, item_factor_ID, item_RW)  # type: ignore[no-untyped-call]
    return score_RW


class _ListScores(Function):
    """Keeps the inputs, which are small beside the gathered factors that plain torch would keep."""

    @staticmethod
    def forward(ctx: Any, user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor) -> Tensor:
        user_factor_RD, item_factor_ID = user_factor_RD.contiguous(), item_factor_ID.contiguous()
        ctx.save_for_backward(user_factor_RD, item_factor_ID, item_RW)
        score_RW: Tensor = _scores(user_factor_RD, item_factor_ID, item_RW)
        return score_RW

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_RW: Tensor) -> tuple[Tensor | None, ...]:
        need = ctx.needs_input_grad[:2]
        found = _gradients(*ctx.saved_tensors, grad_RW.contiguous(), *need)
        return *(table if needed else None for table, needed in zip(found, need, strict=True)), None


def _scores_cpu(user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor) -> Tensor:
    score_RW = user_factor_RD.new_empty(item_RW.shape)
    raise_for_memory(_call(user_factor_RD, item_factor_ID, item_RW, score_RW=score_RW))
    return score_RW


def _gradients_cpu(
    user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor, grad_RW: Tensor, need_user: bool, need_item: bool
) -> tuple[Tensor, Tensor]:
    """The wanted tables; an unwanted one is empty."""
    user_grad = user_factor_RD.new_empty(user_factor_RD.shape if need_user else 0)
    item_grad = item_factor_ID.new_empty(item_factor_ID.shape if need_item else 0)
    status = _call(
        user_factor_RD,
        item_factor_ID,
        item_RW,
        grad_RW=grad_RW,
        user_grad=user_grad if need_user else None,
        item_grad=item_grad if need_item else None,
    )
    raise_for_memory(status)
    return user_grad, item_grad


def _call(
    user_factor_RD: Tensor,
    item_factor_ID: Tensor,
    item_RW: Tensor,
    *,
    score_RW: Tensor | None = None,
    grad_RW: Tensor | None = None,
    user_grad: Tensor | None = None,
    item_grad: Tensor | None = None,
) -> int:
    status: int = _native.list_scores(
        user_factor_RD.data_ptr(),
        item_factor_ID.data_ptr(),
        item_RW.data_ptr(),
        item_RW.shape[0],
        item_factor_ID.shape[0],
        item_factor_ID.shape[1],
        item_RW.shape[1],
        address(score_RW),
        address(grad_RW),
        address(user_grad),
        address(item_grad),
        torch.get_num_threads(),
    )
    return status


def _scores_cuda(user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor) -> Tensor:
    score_RW = user_factor_RD.new_empty(item_RW.shape)
    _run(user_factor_RD, item_factor_ID, item_RW, score=score_RW)
    return score_RW


def _gradients_cuda(
    user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor, grad_RW: Tensor, need_user: bool, need_item: bool
) -> tuple[Tensor, Tensor]:
    """The wanted tables; an unwanted one is empty."""
    user_grad = user_factor_RD.new_empty(user_factor_RD.shape if need_user else 0)
    item_grad = item_factor_ID.new_empty(item_factor_ID.shape if need_item else 0)
    tables = {"user_grad": user_grad if need_user else None, "item_grad": item_grad if need_item else None}
    _run(user_factor_RD, item_factor_ID, item_RW, grad=grad_RW, **tables)
    return user_grad, item_grad


def _run(user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor, **tables: Any) -> None:
    (rows, listed), (catalogue, width) = item_RW.shape, item_factor_ID.shape
    cuda_library.run(
        "list_scores",
        item_RW,
        user_factor=user_factor_RD,
        item_factor=item_factor_ID,
        item=item_RW,
        rows=rows,
        items=catalogue,
        width=width,
        listed=listed,
        **tables,
    )


_scores = register(
    "list_scores(Tensor user_factor_RD, Tensor item_factor_ID, Tensor item_RW) -> Tensor", _scores_cpu, _scores_cuda
)
_gradients = register(
    "list_scores_gradients(Tensor user_factor_RD, Tensor item_factor_ID, Tensor item_RW, Tensor grad_RW,"
    " bool need_user, bool need_item) -> (Tensor, Tensor)",
    _gradients_cpu,
    _gradients_cuda,
)
