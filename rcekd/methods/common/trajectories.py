"""Rankings along teachers' trainings, and targets made of them (HetComp, Kang et al., WWW 2023).

The importance of the item at rank r of a ranking is e^(−r/λ); the target of several rankings is the top K of its sum.
Only heads of H items per ranking are kept: as X·e^(−(H+1)/λ) < e^(−K/λ) for H ≥ K + λ ln X, an item outside all X
heads has a smaller sum than each of the K first of any one ranking, so it is not in the top K. For an item in some
heads the others add less than e^(−(H+1)/λ) each; `head_length` makes H so long that this is lost in float32 rounding
of the smallest sum in the top K. One ranking needs its first K and no more.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from rcekd.methods.common.item_sets import contains
from rcekd.methods.common.sampling import fresh
from rcekd.models import FactorTables

FLOAT32_BITS = 24
BLOCK_ENTRIES = 1 << 22


def head_length(k: int, rankings: int, decay: float, n_items: int) -> int:
    """H for the exact top K of the summed importance of so many rankings."""
    if rankings == 1:
        return min(k, n_items)
    return min(n_items, k + math.ceil(decay * (math.log(rankings) + FLOAT32_BITS * math.log(2.0))))


def heads(trajectory: Sequence[FactorTables], checkpoints: int, length: int, seen: CSR) -> Tensor:
    """int32 [E, U, H]: the best unseen items at E evenly spaced moments, the first and the last among them."""
    chosen = torch.linspace(0, len(trajectory) - 1, min(checkpoints, len(trajectory))).round().long().tolist()
    moments = [trajectory[place] for place in chosen]
    return torch.stack([topk(moment.user_UD, moment.item_ID, length, seen=seen)[0] for moment in moments])


def at(head_EUH: Tensor, moment_U: Tensor) -> Tensor:
    """Every user's head at the user's moment, int32 [U, H]."""
    return head_EUH[moment_U.long(), torch.arange(head_EUH.shape[1], device=head_EUH.device)]


def target(ranking_XUH: Sequence[Tensor], k: int, decay: float) -> Tensor:
    """int32 [U, K]: the items with the largest Σ_x e^(−rank_x/λ), best first, equal ones by lowest id; −1 padded."""
    if len(ranking_XUH) == 1:
        return ranking_XUH[0][:, :k].contiguous()
    width = sum(ranking.shape[1] for ranking in ranking_XUH)
    device = ranking_XUH[0].device
    rank_W = torch.cat([torch.arange(1, ranking.shape[1] + 1, device=device) for ranking in ranking_XUH])
    importance_W = (-rank_W.double() / decay).exp()
    blocks = zip(*(torch.split(ranking, max(1, BLOCK_ENTRIES // width)) for ranking in ranking_XUH), strict=True)
    return torch.cat([_heaviest(torch.cat(block, 1), importance_W, k) for block in blocks])


def _heaviest(item_BW: Tensor, weight_W: Tensor, k: int) -> Tensor:
    """The k items of every row whose weights, summed over the places where they stand, are largest."""
    value_BW, order_BW = item_BW.sort(dim=1, stable=True)
    group_BW = fresh(value_BW).cumsum(1) - 1
    sum_BW = weight_W.new_zeros(item_BW.shape).scatter_add_(1, group_BW, weight_W[order_BW])
    label_BW = torch.full_like(item_BW, -1).scatter_(1, group_BW, value_BW)
    sum_BW.masked_fill_(label_BW < 0, 0.0)
    return label_BW.gather(1, sum_BW.sort(dim=1, descending=True, stable=True).indices[:, :k])


def discrepancy(student_UK: Tensor, permutation_UK: Tensor, decay: float) -> Tensor:
    """D = 1 − DCG/IDCG of every user, float32 [U]: 0 where the student's K best are the teacher's, in any order.

    The hit at position r (from 0) gains (2^(e^(−r/λ)) − 1) / log₂(r + 2); a hit is an item of the teacher's first K.
    """
    place_K = torch.arange(student_UK.shape[1], dtype=torch.float64, device=student_UK.device)
    gain_K = (2.0 ** (-place_K / decay).exp() - 1.0) / (place_K + 2.0).log2()
    hit_UK = contains(permutation_UK, student_UK)
    ideal_U = ((student_UK >= 0) * gain_K).sum(1).clamp(min=1e-12)
    return (1.0 - (hit_UK * gain_K).sum(1) / ideal_U).float()
