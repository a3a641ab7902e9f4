"""The CUDA closure pass against the native one: same lists, same splits, same draws, byte for byte."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import astuple

import pytest
import torch
from torch import Tensor

from rcekd.kernels.closure import closure
from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from tests.kernels.scene import factors, history

Check = Callable[[Callable[[], list[Tensor]]], None]
Emulation = Callable[[int], AbstractContextManager[None]]

# users, items, width, K, L: odd sizes, K and L beyond the catalogue; the last has a pilot and draws low items.
SHAPES = [(1, 1, 1, 1, 1), (5, 10, 5, 20, 30), (9, 130, 20, 7, 1), (5, 300, 33, 40, 50), (4, 4100, 6, 10, 20)]
OPTIONS = [
    {},
    {"raised_by": "teacher", "clip": 2},
    {"raised_by": "teacher", "inclusive": True, "clip": 50, "exclude_teacher": False},
]


def teacher_lists(user_UD: Tensor, item_ID: Tensor, k: int) -> Tensor:
    """Top-K of a teacher that half agrees with the student; every fourth row is cut short."""
    other = torch.Generator().manual_seed(8)
    noise_UD = torch.randn(user_UD.shape, generator=other)
    item_UK = topk(user_UD + noise_UD, item_ID, k)[0]
    item_UK[::4, k // 2 :] = -1
    return item_UK


@pytest.mark.parametrize("options", OPTIONS, ids=["paper", "clipped", "code"])
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_same_bytes_as_native(
    same_as_native: Check, shape: tuple[int, int, int, int, int], tied: bool, options: dict[str, object]
) -> None:
    users, items, width, k, draws = shape
    user, item = factors(users, items, width, tied=tied)
    teacher = teacher_lists(user, item, k)
    for share in (0.0, 0.3):
        given = {"draws": draws, "tau": 2.0, "seed": 3, "epoch": 4, "seen": history(users, items, share), **options}
        same_as_native(lambda given=given: list(astuple(closure(user, item, teacher, **given))))


def test_wide_factors_and_lists_too_long_for_shared_memory(same_as_native: Check) -> None:
    user, item = factors(3, 4100, 70)
    teacher = teacher_lists(user, item, 150)
    given = {"draws": 140, "tau": 20.0, "seed": 5, "epoch": 1, "seen": history(3, 4100, 0.02)}
    same_as_native(lambda: list(astuple(closure(user, item, teacher, **given))))


def test_a_teachers_item_out_of_range_is_refused_by_the_kernel(emulation: Emulation) -> None:
    user, item = factors(2, 60, 4)
    tables = user, item, torch.tensor([[3, 60], [1, 2]], dtype=torch.int32), torch.arange(2, dtype=torch.int32)
    options = [0, 0, -1, False, False, True]
    with emulation(0), pytest.raises(RuntimeError, match="teacher_item_BK must lie in"):
        torch.ops.rcekd.closure(*tables, None, None, 3, 2.0, options, -1)


@pytest.mark.parametrize("tau", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("draws", [30, 61])
def test_same_bytes_when_proposals_run_out_within_a_turn(same_as_native: Check, draws: int, tau: float) -> None:
    user, item = factors(4, 4100, 6)
    teacher, users = teacher_lists(user, item, 12), torch.arange(4, dtype=torch.int32)
    options = [3, 4, -1, False, False, True]
    operation = torch.ops.rcekd.closure
    same_as_native(lambda: list(operation(user, item, teacher, users, None, None, draws, tau, options, 0)))


def test_a_score_of_minus_zero(same_as_native: Check) -> None:
    user, item = torch.tensor([[1e-30]]), torch.tensor([[-1e-30], [1e-30], [1.0], [2.0], [-3.0]])
    teacher = torch.tensor([[3, 2]], dtype=torch.int32)
    given = {"draws": 3, "tau": 1.0, "seed": 1, "epoch": 0}
    same_as_native(lambda: list(astuple(closure(user, item, teacher, **given))))


@pytest.mark.parametrize("high", [0, 30, 900, 4100])
def test_same_bytes_whatever_is_raced_one_by_one(same_as_native: Check, high: int) -> None:
    user, item = factors(3, 4100, 6)
    teacher, users = teacher_lists(user, item, 12), torch.arange(3, dtype=torch.int32)
    options = [3, 4, -1, False, False, True]
    operation = torch.ops.rcekd.closure
    same_as_native(lambda: list(operation(user, item, teacher, users, None, None, 25, 2.0, options, high)))


@pytest.mark.parametrize("tau", [1e-6, 0.3])
def test_same_bytes_when_the_floor_must_be_lowered(same_as_native: Check, tau: float) -> None:
    item = torch.linspace(1, -1, 3000)[:, None].contiguous()
    teacher = torch.arange(900, 2900, 20, dtype=torch.int32).expand(2, -1).contiguous()
    given = {"draws": 950, "tau": tau, "seed": 0, "epoch": 0}
    same_as_native(lambda: list(astuple(closure(torch.ones(2, 1), item, teacher, **given))))


def test_heavy_histories_fall_back(same_as_native: Check) -> None:
    user, item = factors(4, 2100, 5)
    best = topk(user, item, 2100)[0].long()
    rows = [best[0, :2090], best[1, :700], best[2], best[3, 60:]]
    row = torch.cat([torch.full((len(r),), n) for n, r in enumerate(rows)])
    seen = CSR.from_pairs(row, torch.cat([r.sort().values for r in rows]), 4)
    teacher = teacher_lists(user, item, 10)
    given = {"draws": 15, "tau": 3.0, "seed": 0, "epoch": 0, "seen": seen}
    same_as_native(lambda: list(astuple(closure(user, item, teacher, **given))))


def test_chosen_users_repeated_teacher_items_nobody_and_nothing(same_as_native: Check) -> None:
    user, item = factors(6, 50, 3)
    twice = torch.tensor([[7, 7, 11, 3, 11]]).expand(3, -1).int()
    given = {"draws": 9, "tau": 1.0, "seed": -1, "epoch": 0}
    chosen, nobody = torch.tensor([5, 0, 5]), torch.empty(0, dtype=torch.int64)
    same_as_native(lambda: list(astuple(closure(user, item, twice, users_B=chosen, **given))))
    same_as_native(lambda: list(astuple(closure(user, item, twice[:0], users_B=nobody, **given))))
    same_as_native(lambda: list(astuple(closure(user[:3], item[:0], torch.full((3, 4), -1), **given))))
    same_as_native(lambda: list(astuple(closure(user[:3], item, twice, **given | {"draws": 0}))))


@pytest.mark.parametrize("items", [60, 2100])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_scores_that_are_not_finite_name_the_user(cuda: Emulation, value: float, items: int) -> None:
    user, item = factors(40, items, 5)
    teacher = teacher_lists(user, item, 3)
    user[34] = user[38] = value
    with cuda(0), pytest.raises(FloatingPointError, match="user 34 "):
        closure(user, item, teacher, draws=2, tau=1.0, seed=0, epoch=0)
