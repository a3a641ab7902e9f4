"""An epoch's batches: a pure function of (data, settings, seed, epoch), so that resuming needs no generator state."""

from collections.abc import Iterator

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.negatives import sample_negatives
from rcekd.models import Batch
from rcekd.streams import stream
from rcekd.training.settings import TrainSettings


class TrainingPairs:
    """The interactions that a ranking loss can learn from: (user, positive) with at least one possible negative."""

    def __init__(self, data: Interactions) -> None:
        user, positive = data.train.rows(), data.train.indices
        has_negative_U = data.seen.lengths() < data.n_items
        keep = has_negative_U[user.long()]
        self.user, self.positive = user[keep].contiguous(), positive[keep].contiguous()
        self.seen, self.n_items = data.seen, data.n_items
        if self.user.numel() == 0:
            raise InputError(f"{data.name} has no training interaction with a possible negative: nothing to learn from")

    def __len__(self) -> int:
        return self.user.numel()

    def negatives(self, settings: TrainSettings, seed: int, epoch: int) -> Tensor:
        """Negatives of every pair for one epoch, int32 [pairs, N]."""
        return sample_negatives(self.user, self.seen, self.n_items, settings.negatives, seed=seed, epoch=epoch)

    def batches(self, negative_PN: Tensor, settings: TrainSettings, seed: int, epoch: int) -> Iterator[Batch]:
        """The epoch's batches in an order drawn for (seed, epoch)."""
        order = torch.randperm(len(self), generator=stream(seed, "order", epoch))
        user, positive, negative_PN = self.user[order], self.positive[order], negative_PN[order]
        for begin in range(0, len(self), settings.batch_size):
            part = slice(begin, begin + settings.batch_size)
            yield Batch(user[part], positive[part], negative_PN[part])

    def steps(self, settings: TrainSettings) -> int:
        """Batches per epoch."""
        return -(-len(self) // settings.batch_size)
