"""The CUDA draws from pools against the native ones: byte for byte."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor

from rcekd.kernels.gap import GapDraws
from rcekd.kernels.pool_gap_draws import pool_gap_lists

Check = Callable[[Callable[[], list[Tensor]]], None]
Emulation = Callable[[int], AbstractContextManager[None]]

REQUESTS = [
    GapDraws(5, "tanh", 0.1, "under", 1),
    GapDraws(40, "tanh", 0.1, "over", 1),
    GapDraws(40, "exp", 0.2, "over", 2),
    GapDraws(7, "exp", 3.0, "under", 3),
    GapDraws(0, "exp", 1.0, "over", 6),
]


def inputs(listed: int, *, tied: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Nine rows; a third of the pools ends early, one is empty."""
    generator = torch.Generator().manual_seed(listed)
    row, candidate = torch.randn(9, 7, generator=generator), torch.randn(listed + 9, 7, generator=generator)
    pool = torch.rand(9, listed + 9, generator=generator).argsort(1)[:, :listed].int()
    pool[::3, listed // 2 :] = -1
    pool[4] = -1
    return (row.round(), candidate.round(), pool) if tied else (row, candidate, pool)


@pytest.mark.parametrize("in_order", [False, True], ids=["as drawn", "in order"])
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("listed", [1, 30, 129, 300])
def test_same_bytes_as_native(same_as_native: Check, listed: int, tied: bool, in_order: bool) -> None:
    given = inputs(listed, tied=tied)
    same_as_native(lambda: pool_gap_lists(*given, REQUESTS, seed=3, epoch=4, in_order=in_order))


def test_named_rows_and_no_rows(same_as_native: Check) -> None:
    row, candidate, pool = inputs(40)
    for rows_N in (torch.tensor([8, 0, 8]), torch.empty(0, dtype=torch.int64)):
        given = row[rows_N], candidate, pool[rows_N]
        same_as_native(lambda g=given, r=rows_N: pool_gap_lists(*g, REQUESTS, seed=3, epoch=4, rows_N=r))


def test_scores_that_are_not_finite_name_the_row(cuda: Emulation) -> None:
    row, candidate, pool = inputs(40)
    row[5] = torch.inf
    with cuda(0), pytest.raises(FloatingPointError, match="user 5 "):
        pool_gap_lists(row, candidate, pool, REQUESTS, seed=3, epoch=4)
