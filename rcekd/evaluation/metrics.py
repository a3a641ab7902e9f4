"""Recall@N and NDCG@N per user, from ranked lists and held-out targets. Binary gains, all vectorised.

NDCG's ideal list holds min(targets, N) hits, as in the RCE-KD authors' protocol. Both want an item counted once among
a user's targets: a list has one place for it.
"""

import torch
from torch import Tensor


def recall(hit_UN: Tensor, n_targets_U: Tensor, cutoff: int) -> Tensor:
    """Share of a user's distinct targets within the first `cutoff` items, float64 [U]; 0 for a user without targets."""
    found = hit_UN[:, :cutoff].sum(1).double()
    return found / n_targets_U.clamp(min=1)


def ndcg(hit_UN: Tensor, n_targets_U: Tensor, cutoff: int) -> Tensor:
    """Discounted gain over the ideal one at `cutoff` (Järvelin & Kekäläinen 2002), float64 [U]; 0 without targets."""
    discount = 1.0 / torch.log2(torch.arange(cutoff, dtype=torch.float64, device=hit_UN.device) + 2.0)
    top = hit_UN[:, :cutoff]
    gain = (top * discount[: top.shape[1]]).sum(1)
    ideal = torch.cat([discount.new_zeros(1), discount.cumsum(0)])[n_targets_U.clamp(max=cutoff)]
    return torch.where(n_targets_U > 0, gain / ideal.clamp(min=1e-12), 0.0)
