"""What one draw by rank gap asks for: how many items, which weight, which direction, which stream of random numbers."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from torch import Tensor

from rcekd.kernels.checks import INT64_MAX, check_count
from rcekd.kernels.library import address, as_unsigned

Weight = Literal["tanh", "exp"]
Direction = Literal["under", "over"]

# enum rcekd_gap_flags in csrc/include/rcekd/gap.h
EXPONENTIAL, OVER, REPLACEMENT, IN_ORDER = 1, 2, 4, 8


class GapDraws(NamedTuple):
    """`draws` items per user. Requests of one (seed, epoch) that are to be independent have different `stream`s.

    gap: R_own − R_other for "under" (own ranks the item too low), R_other − R_own for "over"; rank 1 is the best.
    weight: "tanh" is tanh(max(eps · gap, 0)), so that an item without a gap is never drawn; "exp" is exp(eps · gap).
    """

    draws: int
    weight: Weight
    eps: float
    direction: Direction
    stream: int
    replacement: bool = False


def check_request(request: GapDraws) -> None:
    """ValueError where the core cannot draw so."""
    check_count("draws", request.draws)
    check_count("stream", request.stream, highest=INT64_MAX)
    if not 1e-100 <= request.eps <= 1e100:
        raise ValueError(f"eps must lie in [1e-100, 1e100], not {request.eps}")
    if request.weight not in get_args(Weight):
        raise ValueError(f"weight must be 'tanh' or 'exp', not {request.weight!r}")
    if request.direction not in get_args(Direction):
        raise ValueError(f"direction must be 'under' or 'over', not {request.direction!r}")


def flags(request: GapDraws) -> int:
    """The request's part of enum rcekd_gap_flags."""
    exponential, over = request.weight == "exp", request.direction == "over"
    return EXPONENTIAL * exponential + OVER * over + REPLACEMENT * request.replacement


def as_structs(
    draws: Sequence[int], flags: Sequence[int], eps: Sequence[float], keys: Sequence[int], lists: Sequence[Tensor]
) -> list[tuple[int, int, float, int, int]]:
    """The fields of one rcekd_gap_request per request; `keys` are as torch passes them on."""
    return list(zip(draws, flags, eps, map(as_unsigned, keys), map(address, lists), strict=True))
