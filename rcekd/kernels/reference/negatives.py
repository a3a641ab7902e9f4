"""Plain-torch negative sampling."""

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.philox import Stream, below, philox, philox_key
from rcekd.kernels.reference.unseen import nth_unseen


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
    """int32 [B, N]: draw k uniform in [0, unseen) and take the k-th item that is not in the user's sorted row."""
    user = user_B.long()
    position = torch.arange(user.numel(), device=user.device)[:, None] + first
    slot = torch.arange(n_negatives, device=user.device)[None, :]
    key = philox_key(seed, epoch, Stream.NEGATIVES)
    high, low, _, _ = philox(key, position & 0xFFFFFFFF, position >> 32, slot, torch.zeros_like(slot))
    rank = below(high, low, n_items - seen.lengths()[user][:, None])
    return nth_unseen(seen, user, rank, n_items)
