"""Scores of chosen (user, item) pairs, without a gathered factor tensor."""

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import as_ids, check_indptr, check_shape, check_tables, is_native
from rcekd.kernels.library import register
from rcekd.work import report


@torch.no_grad()
def pair_scores(
    user_factor_UD: Tensor, item_factor_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor
) -> Tensor:
    """Score of (user_R[r], items[e]) for every e in indptr[r]:indptr[r + 1], [entries]; no gradient.

    Factors [U, D] and [I, D]; user_R int [R], indptr int64 [R + 1], items int [entries]. In float32 every score is one
    FMA chain in ascending dimension, bit for bit that of the top-K scan. Raises TypeError or ValueError for wrong
    dtypes, shapes or ids.
    """
    check_tables(user_factor_UD, item_factor_ID)
    check_indptr("indptr", indptr, items.numel())
    check_shape("user_R", user_R, (indptr.numel() - 1,))
    user_R = as_ids("user_R", user_R, user_factor_UD.shape[0])
    items = as_ids("items", items, item_factor_ID.shape[0], dims=1)
    if not is_native(user_factor_UD, item_factor_ID):
        return reference.pair_scores(user_factor_UD, item_factor_ID, user_R, indptr, items)
    score: Tensor = _operation(
        user_factor_UD.contiguous(), item_factor_ID.contiguous(), user_R, indptr.contiguous(), items
    )
    return score


def _pair_scores_cpu(
    user_factor_UD: Tensor, item_factor_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor
) -> Tensor:
    score = user_factor_UD.new_empty(items.numel())
    width = user_factor_UD.shape[1]
    report(lambda: _work(items, width))
    _native.pair_scores(
        user_factor_UD.data_ptr(),
        item_factor_ID.data_ptr(),
        user_factor_UD.shape[1],
        user_R.data_ptr(),
        indptr.data_ptr(),
        items.data_ptr(),
        user_R.numel(),
        score.data_ptr(),
        torch.get_num_threads(),
    )
    return score


def _work(items: Tensor, width: int) -> tuple[float, float]:
    return 2 * items.numel() * width, 4 * items.numel() * (width + 2)


def _pair_scores_cuda(
    user_factor_UD: Tensor, item_factor_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor
) -> Tensor:
    score = user_factor_UD.new_empty(items.numel())
    report(lambda: _work(items, user_factor_UD.shape[1]))
    cuda_library.run(
        "pair_scores",
        items,
        user_factor=user_factor_UD,
        item_factor=item_factor_ID,
        width=user_factor_UD.shape[1],
        user=user_R,
        indptr=indptr,
        item=items,
        rows=user_R.numel(),
        score=score,
    )
    return score


_operation = register(
    "pair_scores(Tensor user_factor_UD, Tensor item_factor_ID, Tensor user_R, Tensor indptr, Tensor items) -> Tensor",
    _pair_scores_cpu,
    _pair_scores_cuda,
)
