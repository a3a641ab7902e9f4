"""Scores of chosen (user, item) pairs, without a gathered factor tensor."""

import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.checks import as_ids, check_indptr, check_shape, check_tables


@torch.no_grad()
def pair_scores(
    user_factor_UD: Tensor, item_factor_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor
) -> Tensor:
    """Score of (user_R[r], items[e]) for every e in indptr[r]:indptr[r + 1], [entries]; no gradient.

    In float32 on the CPU every score is one FMA chain in ascending dimension, bit for bit that of the top-K scan.
    """
    check_tables(user_factor_UD, item_factor_ID)
    check_indptr("indptr", indptr, items.numel())
    check_shape("user_R", user_R, (indptr.numel() - 1,))
    user_R = as_ids("user_R", user_R, user_factor_UD.shape[0])
    items = as_ids("items", items, item_factor_ID.shape[0])
    return reference.pair_scores(user_factor_UD, item_factor_ID, user_R, indptr, items)
