"""Cross-entropy between teacher and student softmaxes over ragged item sets (RCE-KD, arXiv 2509.20989, equation 7)."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import (
    as_ids,
    check_count,
    check_indptr,
    check_shape,
    check_strided,
    check_tables,
    check_tau,
    is_native,
)
from rcekd.kernels.library import address, raise_for_memory, register
from rcekd.kernels.once import differentiable_once
from rcekd.kernels.sets import ItemSets
from rcekd.work import report

__all__ = ["ItemSets", "set_cross_entropy"]

UNKNOWN = -1


def set_cross_entropy(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    sets: ItemSets,
    user_R: Tensor,
    set_R: Tensor,
    weight_R: Tensor,
    *,
    tau: float = 1.0,
    slots: int | None = None,
) -> Tensor:
    """Σ_r weight_r · (−Σ_{i ∈ set_r} prob_i · log softmax_{set_r}(s_{user_r, i} / τ)), a scalar.

    Row r pairs user `user_R[r]` with set `set_R[r]`; rows come in any order, users may repeat. Gradients flow to the
    two factor tables only, dense. In float32 they are made together with the loss, the same bytes for any
    number of threads; a second backward through one loss is refused. A NaN score gives a NaN loss, which the caller
    checks. `slots`, an upper bound of Σ_r |set_r|, spares a GPU the wait for their number. Raises TypeError or
    ValueError for wrong dtypes, shapes or ids.
    """
    check_tables(user_factor_UD, item_factor_ID)
    check_tau(tau)
    native = is_native(user_factor_UD, item_factor_ID, sets.prob, weight_R)
    sets = _check_sets(sets, item_factor_ID.shape[0], native)
    rows = user_R.numel()
    for name, column in (("user_R", user_R), ("set_R", set_R), ("weight_R", weight_R)):
        check_strided(name, column)
        check_shape(name, column, (rows,))
    for name, column in (("sets.prob", sets.prob), ("weight_R", weight_R)):
        if column.is_complex():
            raise TypeError(f"{name} must be real, not {column.dtype}")
    user_R = as_ids("user_R", user_R, user_factor_UD.shape[0], kernel_checks=native)
    set_R = as_ids("set_R", set_R, sets.indptr.numel() - 1, kernel_checks=native)
    if not native:
        return reference.set_cross_entropy(user_factor_UD, item_factor_ID, sets, user_R, set_R, weight_R, tau=tau)
    loss: Tensor = _SetCrossEntropy.apply(  # type: ignore[no-untyped-call]
        user_factor_UD, item_factor_ID, sets, user_R, set_R, weight_R, tau, UNKNOWN if slots is None else slots
    )
    return loss


def _check_sets(sets: ItemSets, n_items: int, native: bool) -> ItemSets:
    check_indptr("sets.indptr", sets.indptr, sets.items.numel(), kernel_checks=native)
    check_strided("sets.prob", sets.prob)
    check_shape("sets.prob", sets.prob, tuple(sets.items.shape))
    items = as_ids("sets.items", sets.items, n_items, dims=1, kernel_checks=native)
    return ItemSets(sets.indptr.contiguous(), items, sets.prob)


class _SetCrossEntropy(Function):
    """Gradients are made in forward; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        user_factor_UD: Tensor,
        item_factor_ID: Tensor,
        sets: ItemSets,
        user_R: Tensor,
        set_R: Tensor,
        weight_R: Tensor,
        tau: float,
        slots: int,
    ) -> Tensor:
        need = ctx.needs_input_grad[:2]
        factors = (user_factor_UD.contiguous(), item_factor_ID.contiguous())
        prob, weight = sets.prob.contiguous(), weight_R.contiguous()
        loss, user_grad, item_grad = _operation(
            *factors, sets.indptr, sets.items, prob, user_R, set_R, weight, tau, slots, *need
        )
        ctx.gradients = (user_grad, item_grad)
        scalar: Tensor = loss
        return scalar

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("set_cross_entropy keeps no gradients for a second backward")
        gradients, ctx.gradients = ctx.gradients, None  # autograd may keep them instead of copying
        torch._foreach_mul_(list(gradients), grad_outputs[0])  # one kernel on a GPU; an unwanted table is empty
        tables = (table if need else None for table, need in zip(gradients, ctx.needs_input_grad[:2], strict=True))
        return (*tables, None, None, None, None, None, None)


def _set_cross_entropy_cpu(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    indptr: Tensor,
    items: Tensor,
    prob: Tensor,
    user_R: Tensor,
    set_R: Tensor,
    weight_R: Tensor,
    tau: float,
    slots: int,
    need_user: bool,
    need_item: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    del slots  # only a GPU's memory has to be had in advance
    loss = user_factor_UD.new_empty(())
    user_grad = torch.empty_like(user_factor_UD) if need_user else None
    item_grad = torch.empty_like(item_factor_ID) if need_item else None
    report(lambda: _work(user_factor_UD, item_factor_ID, indptr, set_R, need_user, need_item))
    status = _native.set_cross_entropy(
        user_factor_UD.data_ptr(),
        item_factor_ID.data_ptr(),
        user_factor_UD.shape[0],
        item_factor_ID.shape[0],
        user_factor_UD.shape[1],
        indptr.data_ptr(),
        items.data_ptr(),
        prob.data_ptr(),
        user_R.data_ptr(),
        set_R.data_ptr(),
        weight_R.data_ptr(),
        user_R.numel(),
        tau,
        loss.data_ptr(),
        address(user_grad),
        address(item_grad),
        torch.get_num_threads(),
    )
    raise_for_memory(status)
    nothing = user_factor_UD.new_empty(0)
    return loss, nothing if user_grad is None else user_grad, nothing.clone() if item_grad is None else item_grad


def _set_cross_entropy_cuda(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    indptr: Tensor,
    items: Tensor,
    prob: Tensor,
    user_R: Tensor,
    set_R: Tensor,
    weight_R: Tensor,
    tau: float,
    slots: int,
    need_user: bool,
    need_item: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    (users, width), catalogue = user_factor_UD.shape, item_factor_ID.shape[0]
    report(lambda: _work(user_factor_UD, item_factor_ID, indptr, set_R, need_user, need_item))
    loss = user_factor_UD.new_empty(())
    user_grad = torch.empty_like(user_factor_UD) if need_user else user_factor_UD.new_empty(0)
    item_grad = torch.empty_like(item_factor_ID) if need_item else item_factor_ID.new_empty(0)
    if slots == UNKNOWN:
        slots = int(indptr.diff()[set_R.long()].sum())  # the one wait
    check_count("items of all rows' sets", slots)  # the kernels count slots in 32 bits
    cuda_library.run(
        "set_cross_entropy",
        user_R,
        user_factor=user_factor_UD,
        item_factor=item_factor_ID,
        users=users,
        items=catalogue,
        width=width,
        indptr=indptr,
        item=items,
        prob=prob,
        user=user_R,
        set=set_R,
        weight=weight_R,
        rows=user_R.numel(),
        sets=indptr.numel() - 1,
        entries=items.numel(),
        slots=slots,
        tau=tau,
        loss=loss,
        user_grad=user_grad if need_user else None,
        item_grad=item_grad if need_item else None,
    )
    return loss, user_grad, item_grad


def _work(
    user_factor_UD: Tensor, item_factor_ID: Tensor, indptr: Tensor, set_R: Tensor, need_user: bool, need_item: bool
) -> tuple[float, float]:
    """Scores, and per gradient one multiply-add more for every number read; gradient tables are written whole."""
    entries, width = int(indptr.diff()[set_R.long()].sum()), item_factor_ID.shape[1]
    gradients = need_user * user_factor_UD.numel() + need_item * item_factor_ID.numel()
    return 2 * entries * width * (1 + need_user + need_item), 4 * (entries * (width + 2) + gradients)


_operation = register(
    "set_cross_entropy(Tensor user_factor_UD, Tensor item_factor_ID, Tensor indptr, Tensor items, Tensor prob,"
    " Tensor user_R, Tensor set_R, Tensor weight_R, float tau, int slots, bool need_user,"
    " bool need_item)"
    " -> (Tensor, Tensor, Tensor)",
    _set_cross_entropy_cpu,
    _set_cross_entropy_cuda,
)
