"""Plain-torch rows of a batch's losses over lists of its users."""

import torch
from torch import Tensor


def batch_rows(user_B: Tensor, scale_GU: Tensor, share_U: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """See `rcekd.kernels.batch_rows`."""
    n_lists, n_users = scale_GU.shape
    user_B = user_B.sort().values
    begin_B, end_B = (torch.searchsorted(user_B, user_B, right=right) for right in (False, True))
    weight_B = (end_B - begin_B).to(scale_GU.dtype)
    if share_U is not None:
        weight_B = weight_B * share_U[user_B]
    weight_B = weight_B.where(begin_B == torch.arange(user_B.numel(), device=user_B.device), 0.0)
    set_GB = user_B + torch.arange(n_lists, device=user_B.device)[:, None] * n_users
    weight_GB = weight_B * scale_GU[:, user_B]
    return user_B.repeat(n_lists).to(torch.int32), set_GB.flatten().to(torch.int32), weight_GB.flatten()
