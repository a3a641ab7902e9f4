"""Blocks of histories: the last items in order, padded on the right, in bounded blocks that hold everybody once."""

import pytest
import torch

from rcekd.kernels.csr import CSR
from rcekd.models.histories import blocks, histories


def rows_of(lengths: list[int]) -> CSR:
    indptr = torch.tensor([0, *lengths]).cumsum(0)
    return CSR(indptr, torch.arange(10, 10 + int(indptr[-1]), dtype=torch.int32))


def test_the_last_items_in_order() -> None:
    read = histories(rows_of([3, 0, 5, 1]), torch.tensor([2, 1, 0, 2]), 4)
    assert read.length_R.tolist() == [4, 0, 3, 4]
    assert read.item_RT.tolist() == [[14, 15, 16, 17], [0, 0, 0, 0], [10, 11, 12, 0], [14, 15, 16, 17]]
    assert read.time_RT is None
    timed = histories(rows_of([3, 0, 5, 1]), torch.tensor([2, 1, 0, 2]), 4, 100 + torch.arange(9))
    assert timed.time_RT is not None
    assert timed.time_RT.tolist() == [[104, 105, 106, 107], [0, 0, 0, 0], [100, 101, 102, 0], [104, 105, 106, 107]]


def test_nobody_and_nothing() -> None:
    rows = rows_of([0, 0])
    assert histories(rows, torch.tensor([0, 1]), 4).item_RT.shape == (2, 0)
    timed = histories(rows, torch.tensor([0, 1]), 4, torch.tensor([], dtype=torch.float64))
    assert timed.time_RT is not None
    assert (timed.time_RT.shape, timed.time_RT.dtype) == ((2, 0), torch.float64)
    assert histories(rows, torch.tensor([], dtype=torch.int64), 4).item_RT.shape == (0, 0)


@pytest.mark.parametrize("most", [1, 300, 10_000])
def test_blocks_hold_everybody_once_within_bounds(most: int) -> None:
    lengths = torch.randint(0, 30, (200,), generator=torch.Generator().manual_seed(0)).tolist()
    found = list(blocks(rows_of(lengths), 12, 16, most))
    assert sorted(user for block in found for user in block.tolist()) == list(range(200))
    tokens = [min(length, 12) + 1 for length in lengths]
    for block in found:
        longest = max(tokens[user] for user in block.tolist())
        assert block.numel() == 1 or block.numel() * longest * (longest + 16) <= most
    assert (len(found) == 200) == (most == 1)
