"""The CUDA top-K against the native one: same lists, same scores, byte for byte."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from tests.kernels.scene import factors, history

Check = Callable[[Callable[[], list[Tensor]]], None]
Emulation = Callable[[int], AbstractContextManager[None]]

# users, items, width, k: tiles cut badly on every side, k beyond the catalogue.
SHAPES = [(1, 1, 1, 1), (7, 30, 3, 5), (5, 10, 5, 20), (33, 65, 20, 7), (40, 700, 17, 3), (3, 500, 40, 300)]


@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_same_bytes_as_native(same_as_native: Check, shape: tuple[int, int, int, int], tied: bool) -> None:
    users, items, width, k = shape
    tables = factors(users, items, width, tied=tied)
    for seen in (None, history(users, items, 0.1), history(users, items, 0.9)):
        same_as_native(lambda seen=seen: list(topk(*tables, k, seen=seen)))


# With a pilot; of several chunks of dimensions, and of more than a tile of users.
@pytest.mark.parametrize("shape", [(3, 4100, 70, 9), (130, 2200, 5, 4), (2, 2500, 150, 30)], ids=str)
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
def test_thresholds_from_a_pilot(same_as_native: Check, shape: tuple[int, int, int, int], tied: bool) -> None:
    users, items, width, k = shape
    tables = factors(users, items, width, tied=tied)
    same_as_native(lambda: list(topk(*tables, k, seen=history(users, items, 0.02))))


@pytest.mark.parametrize("scales", [(1e-20, 1e-25), (1e-30, 1e30), (1e18, 1e18), (1.0, 1e-44), (0.0, 1.0)], ids=str)
def test_factors_far_from_one(same_as_native: Check, scales: tuple[float, float]) -> None:
    """Rows and tables as unlike as float32 allows: halves must not lose what is above a threshold."""
    user, item = factors(6, 3000, 6)
    user, item = user * scales[0], item * scales[1]
    user[2], user[4], item[::7] = 0.0, user[4] * 1e-12, item[::7] * 1e-9
    same_as_native(lambda: list(topk(user, item, 12)))


def test_scores_that_underflow(same_as_native: Check) -> None:
    """Every step of a chain is rounded to a multiple of 2^-149, which halves know nothing of."""
    user, item = factors(2, 4096, 64)
    same_as_native(lambda: list(topk(user * 3e-23, item * 3e-23, 50)))


def test_scores_rising_with_the_id_fill_the_buffer_at_every_tile(same_as_native: Check) -> None:
    item = torch.arange(1000.0)[:, None]
    same_as_native(lambda: list(topk(torch.ones(3, 1), item, 4)))


def test_chosen_users_everything_seen_and_nobody(same_as_native: Check) -> None:
    user, item = factors(20, 80, 8)
    seen = CSR(torch.tensor([0, *[80] * 20]), torch.arange(80, dtype=torch.int32))
    same_as_native(lambda: list(topk(user, item, 9, users_B=torch.tensor([3, 0, 19, 3]), seen=seen)))
    same_as_native(lambda: list(topk(user, item, 3, users_B=torch.empty(0, dtype=torch.int64))))
    same_as_native(lambda: list(topk(user, item[:0], 2)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_scores_that_are_not_finite_name_the_first_user(cuda: Emulation, value: float) -> None:
    user, item = factors(70, 60, 5)
    user[66] = user[68] = value
    with cuda(0), pytest.raises(FloatingPointError, match="user 66 "):
        topk(user, item, 3)
