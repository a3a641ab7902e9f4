"""Plain-torch law of draws by rank gap: keys, weights and the race of draws without replacement."""

import torch
from torch import Tensor

from rcekd.kernels.gap import GapDraws
from rcekd.kernels.reference.philox import Stream, mix, philox, philox_key, uniform53

PROPOSE, RACE, REPLACE = 0, 1, 2  # third word of the counters


def gap_key(seed: int, epoch: int, stream: int) -> int:
    """The key of one request's random numbers."""
    return mix(philox_key(seed, epoch, Stream.RANK_GAP) ^ stream)


def gap_words(key: int, number: Tensor, row_B: Tensor, what: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox at counters (number, row, what, 0)."""
    zero = torch.zeros((), dtype=torch.int64, device=number.device)
    return philox(key, number, row_B[:, None], zero + what, zero)


def towards(request: GapDraws, gap_BN: Tensor) -> Tensor:
    """R_own − R_other, or what the request asks for in its place."""
    return gap_BN if request.direction == "under" else -gap_BN


def race(
    request: GapDraws, key: int, row_B: Tensor, number_BN: Tensor, gap_BN: Tensor, closed_BN: Tensor
) -> tuple[Tensor, Tensor]:
    """Logarithms of the times E / w, E ~ Exp(1), ascending, and whose they are, [B, N]; +∞ for who never arrives.

    In this order they are draws without replacement (Efraimidis and Spirakis 2006). gap: `towards` the request.
    """
    if request.weight == "tanh":
        log_weight_BN = (request.eps * gap_BN.double().clamp(min=0)).tanh().log()
    else:
        log_weight_BN = request.eps * gap_BN.double()
    word = gap_words(key, number_BN & 0xFFFFFFFF, row_B, RACE)
    log_time_BN = (-uniform53(word[0], word[1]).log()).log() - log_weight_BN
    time_BN, at_BN = log_time_BN.masked_fill(closed_BN, torch.inf).sort(dim=1, stable=True)
    return time_BN, at_BN
