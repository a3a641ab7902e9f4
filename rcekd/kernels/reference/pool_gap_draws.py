"""Plain-torch draws by the gap between places in a pool and a model's ranks in it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rcekd.kernels.gap import GapDraws
from rcekd.kernels.reference.gap import gap_key, race, towards
from rcekd.kernels.reference.list_scores import list_scores
from rcekd.kernels.reference.scores import fma_float32, require_finite

BLOCK = 64  # rows at a time: the twin gathers the factors of their pools


def _scores(row_BD: Tensor, candidate_ID: Tensor, pool_BM: Tensor) -> Tensor:
    """[B, M]: float32 ones bit for bit those of the native core; 0 where there is no candidate."""
    if row_BD.dtype != torch.float32:
        return list_scores(row_BD, candidate_ID, pool_BM)
    nothing_BM = pool_BM < 0
    padded = torch.nn.functional.pad(candidate_ID, (0, 0, 0, 1))
    factor_BMD = padded[pool_BM.long().masked_fill(nothing_BM, candidate_ID.shape[0])]
    score_BM = row_BD.new_zeros(pool_BM.shape)
    for d in range(row_BD.shape[1]):
        score_BM = fma_float32(row_BD[:, d : d + 1], factor_BMD[:, :, d], score_BM)
    return score_BM.masked_fill(nothing_BM, 0.0)


def _gaps(score_BM: Tensor, nothing_BM: Tensor) -> Tensor:
    """int64 [B, M]: rank by score, equal ones in the pool's order, minus the place; 0 where there is no candidate."""
    order_BM = score_BM.masked_fill(nothing_BM, -torch.inf).sort(dim=1, descending=True, stable=True).indices
    place_M = torch.arange(score_BM.shape[1], device=score_BM.device)
    rank_BM = torch.empty_like(order_BM).scatter_(1, order_BM, place_M.expand_as(order_BM))
    return (rank_BM - place_M).masked_fill(nothing_BM, 0)


def _drawn(pool_BM: Tensor, time_BM: Tensor, place_BM: Tensor, draws: int, in_order: bool) -> Tensor:
    """int32 [B, draws]: the candidates at the first places that arrive."""
    pooled, wanted = pool_BM.shape[1], min(draws, pool_BM.shape[1])
    place_BL = place_BM[:, :wanted].masked_fill(time_BM[:, :wanted] == torch.inf, pooled)
    if in_order:
        place_BL = place_BL.sort(dim=1).values
    item_BL = torch.nn.functional.pad(pool_BM, (0, 1), value=-1).gather(1, place_BL)
    return torch.nn.functional.pad(item_BL, (0, draws - wanted), value=-1).to(torch.int32)


def pool_gap_lists(
    row_ND: Tensor,
    candidate_ID: Tensor,
    pool_NM: Tensor,
    requests: Sequence[GapDraws],
    *,
    seed: int,
    epoch: int,
    in_order: bool = False,
    rows_N: Tensor | None = None,
) -> list[Tensor]:
    """See `rcekd.kernels.pool_gap_draws.pool_gap_lists`; takes any floating dtype, on any device."""
    row_ND, candidate_ID = row_ND.detach(), candidate_ID.detach()
    number_N = torch.arange(row_ND.shape[0], device=row_ND.device) if rows_N is None else rows_N.long()
    drawn: list[list[Tensor]] = [[pool_NM.new_empty((0, r.draws), dtype=torch.int32)] for r in requests]
    for begin in range(0, row_ND.shape[0], BLOCK):
        part = slice(begin, begin + BLOCK)
        pool_BM, number_B = pool_NM[part], number_N[part]
        score_BM, nothing_BM = _scores(row_ND[part], candidate_ID, pool_BM), pool_BM < 0
        require_finite(score_BM, number_B)
        gap_BM = _gaps(score_BM, nothing_BM)
        place_BM = torch.arange(pool_BM.shape[1], device=pool_BM.device).expand_as(pool_BM)
        for request, parts in zip(requests, drawn, strict=True):
            key = gap_key(seed, epoch, request.stream)
            arrived = race(request, key, number_B, place_BM, towards(request, gap_BM), nothing_BM)
            parts.append(_drawn(pool_BM, *arrived, request.draws, in_order))
    return [torch.cat(parts) for parts in drawn]
