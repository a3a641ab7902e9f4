"""An epoch's batches for a backbone with a window: whole users, of similar length within a batch."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.negatives import sample_negatives
from rcekd.models import Batch
from rcekd.stopwatch import Stopwatch
from rcekd.streams import stream
from rcekd.training.settings import TrainSettings

# Users are sorted by length inside so many batches' worth of them: little padding, and batches that differ every epoch.
POOL_BATCHES = 16


class Cut(NamedTuple):
    """An epoch's users in their order, and which batch each belongs to. user_V, batch_V: int64 [V], batch ascending."""

    user_V: Tensor
    batch_V: Tensor


class TrainingSequences:
    """The last `window` training interactions of every user who has a possible negative, user by user.

    A batch holds about `train.batch_size` interactions of whole users; where a user has more than that, about as many
    as the longest user has. There are ⌈interactions / size⌉ batches in every epoch.
    """

    def __init__(self, data: Interactions, window: int) -> None:
        length_U = data.train.lengths().clamp(max=window)
        kept_U = (length_U > 0) & (data.seen.lengths() < data.n_items)
        self._user_V = kept_U.nonzero()[:, 0]
        self._length_U, self._stop_U = length_U, data.train.indptr[1:]
        self._item, self._seen, self._n_items = data.train.indices, data.seen, data.n_items
        if self._user_V.numel() == 0:
            raise InputError(f"{data.name} has no training interaction with a possible negative: nothing to learn from")

    def __len__(self) -> int:
        return int(self._length_U[self._user_V].sum())

    def epoch(self, settings: TrainSettings, seed: int, epoch: int, clock: Stopwatch) -> Iterator[Batch]:
        """The epoch's batches, drawn for (seed, epoch)."""
        cut = self.cut(settings, seed, epoch)
        size_S = torch.bincount(cut.batch_V, minlength=self.steps(settings))
        first = 0
        for user_R in torch.split(cut.user_V, size_S.tolist()):
            user_B, item_B = self._rows(user_R)
            with clock.phase("negatives"):
                negative_BN = sample_negatives(
                    user_B, self._seen, self._n_items, settings.negatives, seed=seed, epoch=epoch, first=first
                )
            first += user_B.numel()
            yield Batch(user_B, item_B, negative_BN)

    def whole(self, settings: TrainSettings, seed: int, epoch: int, clock: Stopwatch) -> None:
        """No two batches need be of one size."""
        del settings, seed, epoch, clock

    def ahead(self, seed: int, epoch: int) -> None:
        """Users are ordered on the device."""
        del seed, epoch

    def cut(self, settings: TrainSettings, seed: int, epoch: int) -> Cut:
        """Users in a drawn order, sorted by length within pools, cut into batches whose order is drawn again."""
        generator = stream(seed, "order", epoch)
        size = self._size(settings)
        device = self._user_V.device
        user_V = self._user_V[torch.randperm(self._user_V.numel(), generator=generator).to(device)]
        pool_V = self._ends(user_V) // (size * POOL_BATCHES)
        key_V = pool_V * (int(self._length_U.max()) + 1) + self._length_U[user_V]
        user_V = user_V[torch.argsort(key_V, stable=True)]
        # By a user's last interaction: no user is longer than a batch, so one ends in every stretch of that length.
        drawn_S = torch.randperm(self.steps(settings), generator=generator).to(device)
        batch_V = drawn_S[self._ends(user_V) // size]
        order_V = torch.argsort(batch_V, stable=True)
        return Cut(user_V[order_V], batch_V[order_V])

    def steps(self, settings: TrainSettings) -> int:
        """Batches per epoch."""
        return -(-len(self) // self._size(settings))

    def _size(self, settings: TrainSettings) -> int:
        return max(settings.batch_size, int(self._length_U[self._user_V].max()))

    def _ends(self, user_V: Tensor) -> Tensor:
        """Place of every user's last interaction when users stand in this order, from 0."""
        return self._length_U[user_V].cumsum(0) - 1

    def _rows(self, user_R: Tensor) -> tuple[Tensor, Tensor]:
        """The users' interactions, one user after the other: int32 [B] each."""
        length_R = self._length_U[user_R]
        start_R = self._stop_U[user_R] - length_R
        before_R = length_R.cumsum(0) - length_R
        place_B = torch.arange(int(length_R.sum()), device=length_R.device) + (start_R - before_R).repeat_interleave(
            length_R
        )
        return user_R.repeat_interleave(length_R).to(torch.int32), self._item[place_B]
