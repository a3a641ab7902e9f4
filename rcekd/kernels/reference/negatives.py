"""Plain-torch negative sampling."""

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.philox import Stream, below, philox, philox_key


def sample_negatives(
    user_B: Tensor,
    seen: CSR,
    n_items: int,
    n_negatives: int,
    *,
    seed: int,
    epoch: int,
    first: int = 0,
) -> Tensor:
    """int32 [B, N]: draw k uniform in [0, unseen) and take the k-th item that is not in the user's sorted row.

    In a row without repeats, `indices[j] − j` unseen items lie below `indices[j]`; so the k-th unseen item is k plus
    the number of j with `indices[j] − j ≤ k`.
    """
    indptr, indices = seen
    user = user_B.long()
    position = torch.arange(user.numel(), device=user.device)[:, None] + first
    slot = torch.arange(n_negatives, device=user.device)[None, :]
    key = philox_key(seed, epoch, Stream.NEGATIVES)
    high, low, _, _ = philox(key, position & 0xFFFFFFFF, position >> 32, slot, torch.zeros_like(slot))
    length = indptr.diff()
    rank = below(high, low, n_items - length[user][:, None])

    row = torch.arange(length.numel(), device=user.device).repeat_interleave(length)
    unseen_below = indices.long() - (torch.arange(indices.numel(), device=user.device) - indptr[row])
    span = n_items + 1
    found = torch.searchsorted(row * span + unseen_below, user[:, None] * span + rank, right=True)
    return (rank + found - indptr[user][:, None]).to(torch.int32)
