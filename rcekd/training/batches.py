"""An epoch's batches: a pure function of (data, settings, seed, epoch), so that resuming needs no generator state."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from rcekd import devices
from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.negatives import sample_negatives
from rcekd.models import Batch
from rcekd.stopwatch import Stopwatch
from rcekd.streams import stream
from rcekd.training.sequences import TrainingSequences
from rcekd.training.settings import TrainSettings


class Batches(Protocol):
    """What the loop learns from, epoch by epoch; its length is the number of interactions in an epoch."""

    def __len__(self) -> int: ...

    def epoch(self, settings: TrainSettings, seed: int, epoch: int, clock: Stopwatch) -> Iterator[Batch]:
        """The epoch's batches; the time that negatives take goes to the clock's phase of that name."""

    def whole(self, settings: TrainSettings, seed: int, epoch: int, clock: Stopwatch) -> Batch | None:
        """The same as one batch, which cut into pieces of `batch_size` is all of them; None where they vary in size."""

    def ahead(self, seed: int, epoch: int) -> None:
        """Make what the host has to make for an epoch to come, while it has nothing else to do."""

    def steps(self, settings: TrainSettings) -> int:
        """Batches per epoch."""


def training_batches(data: Interactions, window: int | None) -> Batches:
    """What a backbone learns from: single interactions, or whole users where it has a window."""
    return TrainingPairs(data) if window is None else TrainingSequences(data, window)


def cut(whole: Batch, size: int) -> Iterator[Batch]:
    """Batches of so many interactions, the last of what is left."""
    for begin in range(0, whole.user_B.numel(), size):
        yield Batch(*(column[begin : begin + size] for column in whole))


class TrainingPairs:
    """The interactions that a ranking loss can learn from: (user, positive) with at least one possible negative."""

    def __init__(self, data: Interactions) -> None:
        user, positive = data.train.rows(), data.train.indices
        has_negative_U = data.seen.lengths() < data.n_items
        keep = has_negative_U[user.long()]
        self.user, self.positive = user[keep].contiguous(), positive[keep].contiguous()
        self.seen, self.n_items = data.seen, data.n_items
        self._order_ahead: dict[tuple[int, int], Tensor] = {}
        if self.user.numel() == 0:
            raise InputError(f"{data.name} has no training interaction with a possible negative: nothing to learn from")

    def __len__(self) -> int:
        return self.user.numel()

    def epoch(self, settings: TrainSettings, seed: int, epoch: int, clock: Stopwatch) -> Iterator[Batch]:
        """The epoch's batches, drawn for (seed, epoch)."""
        return cut(self.whole(settings, seed, epoch, clock), settings.batch_size)

    def whole(self, settings: TrainSettings, seed: int, epoch: int, clock: Stopwatch) -> Batch:
        """All of the epoch's interactions, in an order and with negatives drawn for (seed, epoch)."""
        with clock.phase("negatives"):
            negative_PN = sample_negatives(
                self.user, self.seen, self.n_items, settings.negatives, seed=seed, epoch=epoch
            )
        found = self._order_ahead.pop((seed, epoch), None)
        order = self._order(seed, epoch) if found is None else found
        return Batch(self.user[order], self.positive[order], negative_PN[order])

    def ahead(self, seed: int, epoch: int) -> None:
        """Draw that epoch's order."""
        self._order_ahead = {(seed, epoch): self._order(seed, epoch)}

    def _order(self, seed: int, epoch: int) -> Tensor:
        return devices.sent(torch.randperm(len(self), generator=stream(seed, "order", epoch)), self.user.device)

    def steps(self, settings: TrainSettings) -> int:
        """Batches per epoch."""
        return -(-len(self) // settings.batch_size)
