"""Dropout whose masks follow from (seed, epoch) and the order of the calls, not from a generator that lives on."""

import torch
from torch import Tensor

from rcekd.streams import stream_seed

# A mask takes a random byte a number, ten times cheaper than a float each; probabilities are multiples of 1/256.
LEVELS = 256


class KeyedDropout:
    """Zeroes entries with probability `p`, to the nearest 1/256, and scales the others so that the mean stays."""

    def __init__(self, p: float) -> None:
        self._dropped = min(round(p * LEVELS), LEVELS - 1)
        self._seed, self._epoch, self._calls = 0, 0, 0

    def begin(self, seed: int, epoch: int) -> None:
        """The calls from here on are the first, second, … of this epoch."""
        self._seed, self._epoch, self._calls = seed, epoch, 0

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """`x` with some entries dropped; as it is where not training."""
        if not training or not self._dropped:
            return x
        seed = stream_seed(self._seed, f"dropout {self._calls}", self._epoch)
        self._calls += 1
        kept = random_bytes(x, seed) >= self._dropped
        return torch.where(kept, x * (LEVELS / (LEVELS - self._dropped)), 0.0)


def random_bytes(like: Tensor, seed: int) -> Tensor:
    """Uniform uint8 of the shape and on the device of `like`; drawn on the CPU, so that a device changes no draw."""
    words = torch.empty(-(-like.numel() // 8), dtype=torch.int64)
    words.random_(-(2**63), None, generator=torch.Generator().manual_seed(seed))
    return words.view(torch.uint8)[: like.numel()].view(like.shape).to(like.device)
