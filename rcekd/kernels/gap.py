"""What one draw by rank gap asks for: how many items, which weight, which direction, which stream of random numbers."""

from typing import Literal, NamedTuple

Weight = Literal["tanh", "exp"]
Direction = Literal["under", "over"]


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
