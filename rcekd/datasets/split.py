"""Cutting each user's interactions into train, valid and test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rcekd.datasets.settings import SplitName
from rcekd.errors import InputError

TRAIN, VALID, TEST = 0, 1, 2
PartOf = NDArray[np.uint8]

# Shares are floats: without it 0.7 · 10 would come out a hair below 7 and lose an interaction.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Rows:
    """Interactions grouped by user. user: int32; time: increasing within a user, or None; part: as given, or None."""

    user: NDArray[np.int32]
    time: NDArray[np.int64] | NDArray[np.float64] | None
    part: PartOf | None

    def lengths(self) -> NDArray[np.int64]:
        """Interactions of each row's user."""
        length: NDArray[np.int64] = np.bincount(self.user).astype(np.int64)[self.user]
        return length

    def positions(self) -> NDArray[np.int64]:
        """Place of each row within its user, from 0."""
        counts = np.bincount(self.user)
        start = np.cumsum(counts) - counts
        return np.arange(len(self.user), dtype=np.int64) - start[self.user]


def split_rows(rows: Rows, split: SplitName, *, seed: int, valid_share: float, test_share: float) -> PartOf:
    """The part (0 train, 1 valid, 2 test) of every row.

    reference, time: the first ⌊(1 - valid - test)·n⌋ rows of a user (at least 1) train, those up to ⌊(1 - test)·n⌋
    validate, the rest test. random: the same sizes, rows drawn by `seed`. leave-one-out: the last tests, the last but
    one validates where there are three. A user with one row trains with it under all of these.
    time-global: the same shares of all rows by time; equal times stay together, in the later part.
    given: as the publisher cut it; where validation is missing, each user's train rows keep ⌊(1 - valid)·n⌋ (at least
    1) drawn by `seed`, and the others validate.
    Raises InputError where the data lacks what the split needs.
    """
    if split in ("time", "time-global") and rows.time is None:
        raise InputError(
            f"data.split={split}: the data has no timestamps; name their column with data.columns.time, "
            "or use data.split=random"
        )
    if split == "given":
        return _given(rows, seed, valid_share)
    if split == "leave-one-out":
        return _leave_one_out(rows)
    if split == "time-global":
        return _time_global(rows, valid_share, test_share)
    position = _shuffled(rows, seed) if split == "random" else rows.positions()
    return _cut(position, rows.lengths(), valid_share, test_share)


def _cut(position: NDArray[np.int64], length: NDArray[np.int64], valid_share: float, test_share: float) -> PartOf:
    train_end = np.maximum(_portion(length, 1.0 - valid_share - test_share), 1)
    valid_end = np.maximum(_portion(length, 1.0 - test_share), train_end)
    return ((position >= train_end).astype(np.uint8) + (position >= valid_end)).astype(np.uint8)


def _portion(length: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    portion: NDArray[np.int64] = np.floor(length * share + _ROUNDING).astype(np.int64)
    return portion


def _shuffled(rows: Rows, seed: int) -> NDArray[np.int64]:
    """A random place for each row within its user. Raw Philox words: the same on every machine and NumPy version."""
    key = np.random.Philox(key=seed).random_raw(len(rows.user))
    order = np.lexsort((key, rows.user))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = rows.positions()
    return place


def _leave_one_out(rows: Rows) -> PartOf:
    length = rows.lengths()
    from_end = length - 1 - rows.positions()
    part = np.full(len(length), TRAIN, dtype=np.uint8)
    part[(from_end == 0) & (length >= 2)] = TEST
    part[(from_end == 1) & (length >= 3)] = VALID
    return part


def _time_global(rows: Rows, valid_share: float, test_share: float) -> PartOf:
    time = rows.time
    if time is None:
        raise ValueError("time-global needs times")
    ordered = np.sort(time)
    part = np.full(len(time), TRAIN, dtype=np.uint8)
    for share, later in ((1.0 - valid_share - test_share, VALID), (1.0 - test_share, TEST)):
        cut = int(len(time) * share + _ROUNDING)
        if cut < len(time):
            part[time >= ordered[cut]] = later
    if not (part == TRAIN).any():
        raise InputError("data.split=time-global: nothing is early enough to train on, the times are all but equal")
    return part


def _given(rows: Rows, seed: int, valid_share: float) -> PartOf:
    if rows.part is None:
        raise InputError(
            "data.split=given: the data does not come split; give a folder with train and test files, "
            "or use data.split=random"
        )
    part = rows.part.copy()
    if not (part == VALID).any():
        train = np.flatnonzero(part == TRAIN)
        own = Rows(user=rows.user[train], time=None, part=None)
        kept = np.maximum(_portion(own.lengths(), 1.0 - valid_share), 1)
        part[train[_shuffled(own, seed) >= kept]] = VALID
    return part
