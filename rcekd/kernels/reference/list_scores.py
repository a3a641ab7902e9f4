"""Plain-torch scores of one item list per row."""

import torch
from torch import Tensor


def list_scores(user_factor_RD: Tensor, item_factor_ID: Tensor, item_RW: Tensor) -> Tensor:
    """Score of (row r, item_RW[r, w]), [R, W]; 0 where the item is −1. Differentiable, any floating dtype."""
    nothing = item_RW < 0
    padded = torch.nn.functional.pad(item_factor_ID, (0, 0, 0, 1))  # padding meets a row of zeros, so not even a NaN
    item = item_RW.long().masked_fill(nothing, item_factor_ID.shape[0])
    return (user_factor_RD[:, None, :] * padded[item]).sum(-1).masked_fill(nothing, 0.0)
