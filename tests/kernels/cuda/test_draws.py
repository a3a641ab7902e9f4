"""The CUDA draws that need no scores against the native ones: byte for byte."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.kernels.horizon import horizon_draws
from rcekd.kernels.negatives import sample_negatives
from rcekd.kernels.unseen_draws import unseen_draws
from tests.kernels.scene import history

Check = Callable[[Callable[[], list[Tensor]]], None]


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("negatives", [1, 5])
def test_negatives(same_as_native: Check, share: float, negatives: int) -> None:
    user_B = torch.randint(0, 50, (300,), generator=torch.Generator().manual_seed(1))
    seen = history(50, 200, share)
    same_as_native(lambda: [sample_negatives(user_B, seen, 200, negatives, seed=-5, epoch=3, first=2**33)])


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("draws", [0, 1, 20, 90])
def test_unseen_draws(same_as_native: Check, share: float, draws: int) -> None:
    seen = history(140, 60, share)
    same_as_native(lambda: [unseen_draws(seen, 60, draws, seed=2, epoch=7)])
    same_as_native(lambda: [unseen_draws(seen, 60, draws, seed=2, epoch=7, users_B=torch.tensor([5, 139, 5]))])


def lists(rows: int, length: int, items: int, seed: int) -> Tensor:
    """Distinct items; some rows end early."""
    generator = torch.Generator().manual_seed(seed)
    item = torch.stack([torch.randperm(items, generator=generator)[:length] for _ in range(rows)]).int()
    item[::3, length // 2 :] = -1
    return item


OPTIONS: list[dict[str, Any]] = [
    {},
    {"raised_by": "missing", "inclusive": False, "clip": None, "exclude_teacher": True},
    {"raised_by": "missing", "clip": 2},
    {"by_rank": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("listed", "taught", "draws"), [(1, 1, 3), (32, 7, 5), (33, 40, 100), (700, 20, 40)])
def test_horizon(same_as_native: Check, listed: int, taught: int, draws: int, options: dict[str, Any]) -> None:
    student, teacher = lists(7, listed, 800, 1), lists(7, taught, 800, 2)
    given = {"draws": draws, "tau": 3.0, "seed": 4, "epoch": 5, "top_k": 10, **options}
    same_as_native(lambda: [horizon_draws(student, teacher, **given)])
    users_B = torch.tensor([3, 3, 2**31 - 2, 0, 9, 8, 7])
    same_as_native(lambda: [horizon_draws(student, teacher, users_B=users_B, **given)])


def test_nobody_and_nothing(same_as_native: Check) -> None:
    nobody = torch.empty(0, 5, dtype=torch.int32)
    given = {"tau": 1.0, "seed": 0, "epoch": 0, "top_k": 2}
    same_as_native(lambda: [horizon_draws(nobody, nobody, draws=3, **given)])
    same_as_native(lambda: [horizon_draws(nobody.view(5, 0), nobody.view(5, 0), draws=3, **given)])
    same_as_native(lambda: [horizon_draws(lists(4, 6, 9, 1), lists(4, 2, 9, 2), draws=0, **given)])
    same_as_native(lambda: [sample_negatives(nobody[:, 0], history(3, 9, 0.5), 9, 2, seed=0, epoch=0)])
