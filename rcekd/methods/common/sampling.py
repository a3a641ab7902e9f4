"""Draws by rank and by weight, for all rows at once.

Ranks count from 0, the best first. A generator (rcekd.streams) makes every draw a function of seed, purpose and epoch.
It draws on the CPU, wherever the rows are, so that a device changes no draw.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from rcekd.kernels.horizon import horizon_draws
from rcekd.streams import stream_seed

STEEP = 0.5  # two ranks of a law of less scale are the same three times out of four
SPARSE = 8  # a row so many times longer than its draws repeats few of them
BLOCK_ENTRIES = 1 << 21  # of a block of rows; another size is another use of the generator


def geometric_ranks(scale: float, length_N: Tensor, generator: torch.Generator) -> Tensor:
    """One rank per entry, P(r) ∝ e^(−r / scale) on 0 … length − 1, by inversion: int64, shaped like `length_N`.

    Entries of length 0 give 0. Scales far above the length are uniform draws.
    """
    length_N = length_N.clamp(min=1).double()
    uniform_N = torch.rand(length_N.shape, generator=generator, dtype=torch.float64).to(length_N.device)
    reach_N = torch.expm1(-length_N / scale)  # −P(r < length) of the untruncated law
    rank_N = (-scale * torch.log1p(uniform_N * reach_N)).floor()
    return torch.minimum(rank_N, length_N - 1).long()


def ordered_pairs(scale: float, length_N: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two different ranks per entry by the law of `geometric_ranks`, the better one first.

    Entries of length below 2 have no pair: their ranks are 0 and 0.
    """
    proposed = _two_ranks if scale >= STEEP else _rank_and_gap
    better_N, worse_N = proposed(scale, length_N, generator)
    while (wrong := (length_N > 1) & ((worse_N == better_N) | (worse_N >= length_N))).any():
        better_N[wrong], worse_N[wrong] = proposed(scale, length_N[wrong], generator)
    return better_N, worse_N.masked_fill(length_N < 2, 0)


def _two_ranks(scale: float, length_N: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A pair as it is drawn: wrong where both are the same, which a steep law leaves as good as always."""
    first_N, second_N = (geometric_ranks(scale, length_N, generator) for _ in range(2))
    return torch.minimum(first_N, second_N), torch.maximum(first_N, second_N)


def _rank_and_gap(scale: float, length_N: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The same law, P(a, a + d) ∝ e^(−(2a + d) / scale); wrong where a + d is out of the row, rarely if it is steep."""
    better_N = geometric_ranks(scale / 2, length_N - 1, generator)
    return better_N, better_N + geometric_ranks(scale, length_N - 1, generator) + 1


def tournament_weights(ranks: int, scale: float, length_U: Tensor) -> Tensor:
    """Chance that r is the better of two ranks drawn by the law of `geometric_ranks`, up to a factor of the row.

    float32 [U, ranks]; 0 from the row's length on.
    """
    rank_M = torch.arange(ranks, dtype=torch.float64, device=length_U.device)
    length_U1 = length_U[:, None].double()
    weight_M = torch.exp(-rank_M / scale)
    # Of a flat law the two ends' powers are all but equal: their difference would be rounding.
    at_least_UM = weight_M * torch.expm1((rank_M - length_U1).clamp(max=0.0) / scale) / math.expm1(-1.0 / scale)
    return (weight_M * (2.0 * at_least_UM - weight_M)).where(rank_M < length_U1, 0.0).float()


def tournament_places(ranks: int, scale: float, length_U: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """int64 [U, draws]: different ranks of the law of `tournament_weights` in draw order, −1 padded.

    To draw again whatever has been drawn already is to draw without replacement. Where few ranks are left over, or the
    law is steep, that takes long, and the places are drawn by their weights instead.
    """
    if scale < draws:
        parts = (
            _steep_places(ranks, scale, length_U[rows], draws, generator) for rows in blocks(length_U.numel(), ranks)
        )
        return torch.cat([length_U.new_empty(0, draws), *parts])
    if bool((length_U < SPARSE * draws).any()):
        weights = (tournament_weights(ranks, scale, length_U[rows]) for rows in blocks(length_U.numel(), ranks))
        return torch.cat([weighted_places(weight_BM, draws, generator) for weight_BM in weights])
    place_UL = torch.empty(length_U.numel(), draws, dtype=torch.int64, device=length_U.device)
    open_U = torch.arange(length_U.numel(), device=length_U.device)
    kept_UX = place_UL.new_empty(length_U.numel(), 0)
    while open_U.numel():
        length_UX = length_U[open_U, None].expand(-1, draws + draws // SPARSE + 1)
        pair = (geometric_ranks(scale, length_UX, generator) for _ in range(2))
        kept_UX = torch.cat([kept_UX, torch.minimum(*pair)], dim=1)
        first_UX = first_occurrences(kept_UX)
        done_U = first_UX.sum(1) >= draws
        chosen_UX = first_UX & (first_UX.cumsum(1) <= draws)
        place_UL[open_U[done_U]] = kept_UX[done_U][chosen_UX[done_U]].view(-1, draws)
        open_U, kept_UX = open_U[~done_U], kept_UX[~done_U]
    return place_UL


def _steep_places(ranks: int, scale: float, length_U: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """`tournament_places` by the logarithms of the weights, which are out of a float's range themselves."""
    rank_M = torch.arange(ranks, dtype=torch.float64, device=length_U.device)
    rest_UM = (length_U[:, None] - rank_M).clamp(min=1.0)
    at_least_UM = torch.expm1(-rest_UM / scale) / math.expm1(-1.0 / scale)  # in units of the rank's own weight
    noise_UM = torch.empty(rest_UM.shape, dtype=torch.float64).exponential_(generator=generator).to(rest_UM.device)
    time_UM = noise_UM.log_() + 2.0 * rank_M / scale - (2.0 * at_least_UM - 1.0).log()
    time_UM.masked_fill_(rank_M >= length_U[:, None], torch.inf)
    return _earliest(time_UM, draws)


def first_occurrences(value_UX: Tensor) -> Tensor:
    """Whether a value has not stood in its row before, bool [U, X]."""
    sorted_UX, order_UX = value_UX.sort(dim=1, stable=True)
    fresh_UX = fresh(sorted_UX)
    return torch.empty_like(fresh_UX).scatter_(1, order_UX, fresh_UX)


def fresh(sorted_UX: Tensor) -> Tensor:
    """Whether a value of a sorted row is another than the one before it, bool [U, X]."""
    fresh_UX = torch.ones_like(sorted_UX, dtype=torch.bool)
    fresh_UX[:, 1:] = sorted_UX[:, 1:] != sorted_UX[:, :-1]
    return fresh_UX


def weighted_places(weight_UM: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """int64 [U, draws]: places of a row drawn by weight without replacement, in draw order, −1 padded.

    The order statistics of E / w, E ~ Exp(1), are the draws (Efraimidis and Spirakis 2006). Weight 0 is never drawn.
    """
    time_UM = torch.rand(weight_UM.shape, generator=generator).log_().neg_().to(weight_UM.device).div_(weight_UM)
    time_UM.masked_fill_(weight_UM <= 0, torch.inf)  # a weight of −0 would make −∞ of it
    return _earliest(time_UM, draws)


def _earliest(time_UM: Tensor, draws: int) -> Tensor:
    """int64 [U, draws]: the places of the least finite times of each row, the least first, −1 padded."""
    time_UL, place_UL = time_UM.topk(min(draws, time_UM.shape[1]), dim=1, largest=False)
    place_UL = place_UL.masked_fill(time_UL == torch.inf, -1)
    return pad(place_UL, (0, draws - place_UL.shape[1]), value=-1)


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices of rows whose [rows, width] tensors stay small."""
    step = max(1, BLOCK_ENTRIES // max(width, 1))
    return (slice(begin, min(begin + step, rows)) for begin in range(0, rows, step))


def take(item_UM: Tensor, place_UL: Tensor) -> Tensor:
    """The items at the given places of each row; place −1 gives −1."""
    if item_UM.shape[1] == 0:
        return item_UM.new_full(place_UL.shape, -1)
    return item_UM.gather(1, place_UL.clamp(min=0)).masked_fill(place_UL < 0, -1)


def ranked_draws(item_UM: Tensor, draws: int, tau: float, *, seed: int, purpose: str, epoch: int) -> Tensor:
    """int32 [U, draws]: items of a ranked list (−1 padded at its end), P(r) ∝ e^(−r / τ) without replacement.

    They stand in the list's order, best first; where the list is short, −1 follows.
    """
    place_M = torch.arange(item_UM.shape[1], dtype=torch.int32, device=item_UM.device)
    place_UM = torch.where(item_UM >= 0, place_M, place_M.new_full((), -1))
    none_U0 = place_M.new_empty(item_UM.shape[0], 0)
    key = stream_seed(seed, purpose, epoch)
    place_UL = horizon_draws(place_UM, none_U0, draws=draws, tau=tau, seed=key, epoch=epoch, top_k=0, by_rank=True)
    return take(item_UM, in_order(place_UL.long()))


def in_order(place_UL: Tensor) -> Tensor:
    """The places of each row ascending, −1 at the end."""
    largest = torch.iinfo(place_UL.dtype).max
    sorted_UL = place_UL.masked_fill(place_UL < 0, largest).sort(dim=1).values
    return sorted_UL.masked_fill(sorted_UL == largest, -1)
