"""The items outside each user's row of a CSR, counted off in ascending order."""

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR


def nth_unseen(seen: CSR, user_B: Tensor, rank_BN: Tensor, n_items: int) -> Tensor:
    """int32 [B, N]: the `rank`-th item (from 0) that is not in the user's ascending row of `seen`.

    In a row without repeats, `indices[j] − j` unseen items lie below `indices[j]`; so the k-th unseen item is k plus
    the number of j with `indices[j] − j ≤ k`.
    """
    indptr, indices = seen
    user = user_B.long()
    length = indptr.diff()
    row = torch.arange(length.numel(), device=user.device).repeat_interleave(length)
    unseen_below = indices.long() - (torch.arange(indices.numel(), device=user.device) - indptr[row])
    span = n_items + 1
    found = torch.searchsorted(row * span + unseen_below, user[:, None] * span + rank_BN, right=True)
    return (rank_BN + found - indptr[user][:, None]).to(torch.int32)
