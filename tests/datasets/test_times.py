"""Times beside the rows, and what their digest says."""

import torch

from rcekd.datasets import Times

EMPTY = torch.tensor([], dtype=torch.int64)


def test_equal_times_have_equal_digests() -> None:
    first, second = (Times.of(torch.tensor([1, 5]), torch.tensor([7]), EMPTY) for _ in range(2))
    assert first.digest == second.digest


def test_the_digest_sees_values_parts_and_kind() -> None:
    train, valid = torch.tensor([1, 5]), torch.tensor([7])
    others = [
        Times.of(torch.tensor([1, 6]), valid, EMPTY),
        Times.of(torch.tensor([1, 5, 7]), EMPTY, EMPTY),
        Times.of(train, EMPTY, valid),
        Times.of(train.double(), valid.double(), EMPTY.double()),
    ]
    assert len({times.digest for times in (Times.of(train, valid, EMPTY), *others)}) == 5


def test_where_they_are_already_nothing_is_copied() -> None:
    times = Times.of(torch.tensor([1, 5]), torch.tensor([7]), EMPTY)
    assert times.to(torch.device("cpu")).train is times.train
    moved = times.to(torch.device("meta"))
    assert {part.device.type for part in moved[:3]} == {"meta"}
    assert moved.digest == times.digest


def test_the_digest_is_of_all_three_parts_and_of_where_they_end() -> None:
    parts = [torch.tensor([1, 2]), torch.tensor([3]), torch.tensor([4])]
    others = [[*parts[:place], parts[place] + 1, *parts[place + 1 :]] for place in range(3)]
    others.append([torch.tensor([1]), torch.tensor([2, 3]), parts[2]])
    assert len({Times.of(*each).digest for each in (parts, *others)}) == 5
