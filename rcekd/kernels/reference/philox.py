"""The core's random numbers in torch: Philox4x32-10 (Salmon et al., SC'11) on int64 tensors, and its keys."""

from enum import IntEnum

import torch
from torch import Tensor


class Stream(IntEnum):
    """Which operation's draws: the numbers of `rcekd_stream` in csrc/include/rcekd/philox.h."""

    NEGATIVES = 1
    CLOSURE_HIGH = 2
    CLOSURE_LOW = 3
    PILOT = 4
    HORIZON = 5
    UNSEEN = 6
    RANK_GAP = 7


_LOW32 = 0xFFFFFFFF
_LOW64 = 0xFFFFFFFFFFFFFFFF
_ROUND_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)


def mix(x: int) -> int:
    """Finaliser of splitmix64, on 64 bits."""
    x = (x + 0x9E3779B97F4A7C15) & _LOW64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _LOW64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _LOW64
    return x ^ (x >> 31)


def philox_key(seed: int, epoch: int, stream: Stream) -> int:
    """The 64-bit key of one stream of draws under a seed and an epoch."""
    return mix(mix(mix(seed & _LOW64) ^ epoch) ^ stream)


def _multiply(a: int, b: Tensor) -> tuple[Tensor, Tensor]:
    """High and low 32 bits of a·b; int64 wraps, which leaves the bits right."""
    product = b * (a - (1 << 64) if a >= 1 << 63 else a)
    return (product >> 32) & _LOW32, product & _LOW32


def philox(key: int, c0: Tensor, c1: Tensor, c2: Tensor, c3: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four 32-bit words per counter, as int64 tensors of the counters' broadcast shape."""
    k0, k1 = key & _LOW32, key >> 32
    c0, c1, c2, c3 = torch.broadcast_tensors(c0, c1, c2, c3)  # type: ignore[no-untyped-call]
    for _ in range(10):
        high0, low0 = _multiply(_ROUND_MULTIPLIERS[0], c0)
        high1, low1 = _multiply(_ROUND_MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + _KEY_STEPS[0]) & _LOW32, (k1 + _KEY_STEPS[1]) & _LOW32
    return c0, c1, c2, c3


def uniform53(high: Tensor, low: Tensor) -> Tensor:
    """Float64 in (0, 1) from two words: an odd multiple of 2^-53, exact, so never 0 or 1."""
    return (((high << 20) | (low >> 12)).double() + 0.5) * 2.0**-52


def below(high: Tensor, low: Tensor, n: Tensor | int) -> Tensor:
    """Uniform integers in [0, n), n < 2^31: the top bits of (high·2^32 + low)·n (Lemire 2019)."""
    return (high * n + ((low * n) >> 32)) >> 32
