"""Scores of one item list per row, differentiable, without a gathered factor tensor."""

from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.checks import as_ids, check_tables


def list_scores(user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor) -> Tensor:
    """Score of user vector r with item `item_RW[r, w]`, [R, W]; −1 is padding: score 0, no gradient.

    Rows of `user_factor_RD` are the users already gathered, so that a caller writes
    `list_scores(model.user_factors(user_R), model.item_factors(), item_RW)`. Gradients flow to both tables, dense.
    In float32 on the CPU every score is one FMA chain in ascending dimension, bit for bit that of the top-K scan.
    Raises TypeError or ValueError for wrong dtypes, shapes or ids.
    """
    check_tables(user_factor_RD, item_factor_ID)
    if item_RW.dim() != 2 or item_RW.shape[0] != user_factor_RD.shape[0]:
        raise ValueError(f"item_RW must have shape [{user_factor_RD.shape[0]}, W], not {list(item_RW.shape)}")
    item_RW = as_ids("item_RW", item_RW, item_factor_ID.shape[0], lowest=-1)
    return reference.list_scores(user_factor_RD, item_factor_ID, item_RW)
