"""Rows of a batch's losses over lists of its users, without the wait for how many users there are."""

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import as_ids, check_count, check_factors, check_shape, check_strided, is_native
from rcekd.kernels.library import address, raise_for_memory, register
from rcekd.work import report


@torch.no_grad()
def batch_rows(user_B: Tensor, scale_GU: Tensor, share_U: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """A row for each interaction of a batch and each of G lists: (user, set, weight), [G·B] each, list by list.

    Within a list the users ascend, int32; the set of list g of user u is g·U + u, int32. A user who has m interactions
    has the weight m · share_U[u] · scale_GU[g, u] in the first of its m rows and 0 in the others, so that a loss that
    adds up over rows counts the user m times at the cost of one. Raises TypeError or ValueError for wrong dtypes,
    shapes or ids.
    """
    check_factors("scale_GU", scale_GU)
    n_lists, n_users = scale_GU.shape
    floats = [scale_GU] if share_U is None else [scale_GU, share_U]
    if share_U is not None:
        check_strided("share_U", share_U)
        check_shape("share_U", share_U, (n_users,))
        if share_U.dtype != scale_GU.dtype:
            raise TypeError(f"share_U and scale_GU must share a dtype, not {share_U.dtype} and {scale_GU.dtype}")
    check_count("sets", n_lists * n_users)
    native = is_native(*floats)
    user_B = as_ids("user_B", user_B, n_users, dims=1, kernel_checks=native)
    if not native:
        return reference.batch_rows(user_B, scale_GU, share_U)
    user_R, set_R, weight_R = _operation(
        user_B, scale_GU.contiguous(), None if share_U is None else share_U.contiguous()
    )
    return user_R, set_R, weight_R


def _room(user_B: Tensor, scale_GU: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    rows = user_B.numel() * scale_GU.shape[0]
    return user_B.new_empty(rows), user_B.new_empty(rows), scale_GU.new_empty(rows)


def _batch_rows_cpu(user_B: Tensor, scale_GU: Tensor, share_U: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    found = _room(user_B, scale_GU)
    report(lambda: _work(user_B, scale_GU))
    status = _native.batch_rows(
        user_B.data_ptr(),
        address(share_U),
        scale_GU.data_ptr(),
        user_B.numel(),
        *scale_GU.shape,
        *(column.data_ptr() for column in found),
    )
    raise_for_memory(status)
    return found


def _work(user_B: Tensor, scale_GU: Tensor) -> tuple[float, float]:
    rows = user_B.numel() * scale_GU.shape[0]
    return 2 * rows, 16 * rows


def _batch_rows_cuda(user_B: Tensor, scale_GU: Tensor, share_U: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    report(lambda: _work(user_B, scale_GU))
    row_user, row_set, row_weight = _room(user_B, scale_GU)
    cuda_library.run(
        "batch_rows",
        user_B,
        user=user_B,
        share=share_U,
        scale=scale_GU,
        batch=user_B.numel(),
        lists=scale_GU.shape[0],
        users=scale_GU.shape[1],
        row_user=row_user,
        row_set=row_set,
        row_weight=row_weight,
    )
    return row_user, row_set, row_weight


_operation = register(
    "batch_rows(Tensor user_B, Tensor scale_GU, Tensor? share_U) -> (Tensor, Tensor, Tensor)",
    _batch_rows_cpu,
    _batch_rows_cuda,
)
