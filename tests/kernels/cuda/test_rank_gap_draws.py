"""The CUDA draws by rank gap against the native ones: byte for byte."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor

from rcekd.kernels.gap import GapDraws
from rcekd.kernels.rank_gap_draws import rank_gap_lists
from tests.kernels.scene import factors, history

Check = Callable[[Callable[[], list[Tensor]]], None]
Emulation = Callable[[int], AbstractContextManager[None]]

REQUESTS = [
    GapDraws(5, "tanh", 0.1, "under", 1),
    GapDraws(40, "exp", 0.2, "over", 2),
    GapDraws(7, "exp", 3.0, "under", 3),  # so uneven that proposals run out
    GapDraws(60, "tanh", 1e-3, "over", 4, replacement=True),
    GapDraws(9, "exp", 3.0, "over", 5, replacement=True),
    GapDraws(0, "exp", 1.0, "over", 6),
]


@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("share", [None, 0.3, 1.0])
@pytest.mark.parametrize("items", [1, 30, 300])
def test_same_bytes_as_native(same_as_native: Check, items: int, share: float | None, tied: bool) -> None:
    tables = *factors(9, items, 7, 1, tied=tied), *factors(9, items, 20, 2, tied=tied)
    seen = None if share is None else history(9, items, share)
    same_as_native(lambda: rank_gap_lists(*tables, REQUESTS, seed=3, epoch=4, seen=seen))


def test_chosen_users_and_nobody(same_as_native: Check) -> None:
    tables = *factors(9, 40, 7, 1), *factors(9, 40, 20, 2)
    for users_B in (torch.tensor([8, 0, 8]), torch.empty(0, dtype=torch.int64)):
        same_as_native(lambda users_B=users_B: rank_gap_lists(*tables, REQUESTS, seed=3, epoch=4, users_B=users_B))


@pytest.mark.parametrize("table", [0, 2], ids=["own", "other"])
def test_scores_that_are_not_finite_name_the_user(cuda: Emulation, table: int) -> None:
    tables = *factors(9, 40, 7, 1), *factors(9, 40, 20, 2)
    tables[table][6] = torch.inf
    with cuda(0), pytest.raises(FloatingPointError, match="user 6 "):
        rank_gap_lists(*tables, REQUESTS, seed=3, epoch=4)
