"""Draws from the student's horizon: equal to the twin, with the law of successive draws without replacement."""

from collections.abc import Callable
from itertools import permutations
from math import exp
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.horizon import horizon_draws

VARIANTS: list[dict[str, Any]] = [
    {},
    {"raised_by": "missing"},
    {"inclusive": False},
    {"clip": None, "tau": 0.01},
    {"clip": 3, "tau": 1.0},
    {"exclude_teacher": True, "raised_by": "missing", "inclusive": False, "clip": None},
    {"by_rank": True},
    {"by_rank": True, "exclude_teacher": True},
]


def lists(batch: int, listed: int, taught: int, items: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Student rankings and teacher lists without repeats, with some padding at their ends."""
    generator = torch.Generator().manual_seed(seed)
    student = torch.rand(batch, items, generator=generator).argsort(1)[:, :listed].int()
    teacher = torch.rand(batch, items, generator=generator).argsort(1)[:, :taught].int()
    student[: batch // 3, listed - listed // 4 :] = -1
    teacher[: batch // 2, taught - taught // 3 :] = -1
    return student.contiguous(), teacher.contiguous()


def draw(sampler: Callable[..., Tensor], student: Tensor, teacher: Tensor, **options: Any) -> Tensor:
    return sampler(student, teacher, **({"draws": 9, "tau": 10.0, "seed": 3, "epoch": 4, "top_k": 5} | options))


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (13, 20, 7, 60), (40, 100, 33, 120), (5, 700, 300, 900)], ids=str)
def test_equals_twin(options: dict[str, Any], shape: tuple[int, ...]) -> None:
    student, teacher = lists(*shape)
    users_B = torch.arange(shape[0]).flip(0) * 7
    for more in ({}, {"users_B": users_B}, {"draws": shape[1] + 3}, {"draws": 0}):
        found = draw(horizon_draws, student, teacher, **options, **more)
        assert found.dtype == torch.int32
        assert torch.equal(found, draw(reference.horizon_draws, student, teacher, **options, **more))


def weights(student: list[int], teacher: list[int], options: dict[str, Any]) -> dict[int, float]:
    """Weight of every item that can be drawn, spelled out from the definition."""
    tau, clip = options.get("tau", 10.0), options.get("clip", 50)
    raising = [p for p, i in enumerate(student) if i in teacher]
    if options.get("raised_by") == "missing":
        raising = [p for p in raising if p >= options["top_k"]]
    weight = {}
    for p, item in enumerate(student):
        z = sum(q > p or (q == p and options.get("inclusive", True)) for q in raising)
        z = min(z, clip) if clip is not None else z
        if not (options.get("exclude_teacher") and item in teacher):
            weight[item] = exp(-(p + 1) / tau) if options.get("by_rank") else exp(z / tau)
    return weight


@pytest.mark.parametrize(
    "options",
    [
        {"tau": 1.0, "top_k": 2},
        {"tau": 0.7, "top_k": 2, "raised_by": "missing", "inclusive": False},
        {"tau": 1.0, "top_k": 2, "exclude_teacher": True},
        {"tau": 1.0, "top_k": 2, "clip": 1},
        {"tau": 2.0, "top_k": 2, "by_rank": True},
    ],
    ids=str,
)
def test_law_of_ordered_draws(options: dict[str, Any]) -> None:
    student, teacher, batch, draws = [4, 1, 0, 6, 3], [0, 3, 4, 9], 60_000, 2
    weight = weights(student, teacher, options)
    total = sum(weight.values())
    law = {(a, b): weight[a] / total * weight[b] / (total - weight[a]) for a, b in permutations(weight, draws)}
    found = draw(
        horizon_draws,
        torch.tensor([student], dtype=torch.int32).repeat(batch, 1),
        torch.tensor([teacher], dtype=torch.int32).repeat(batch, 1),
        draws=draws,
        **options,
    )
    counts = torch.tensor([int(((found[:, 0] == a) & (found[:, 1] == b)).sum()) for a, b in law])
    assert int(counts.sum()) == batch  # nothing outside the law's support, no item twice
    assert chisquare(counts.numpy(), [batch * p for p in law.values()]).pvalue > 1e-3
    for item in weight:  # inclusion
        expected = sum(p for pair, p in law.items() if item in pair)
        assert abs(float((found == item).any(1).float().mean()) - expected) < 5 * (0.25 / batch) ** 0.5


def test_users_name_the_draws() -> None:
    student, teacher = lists(40, 100, 33, 120)
    users_B = torch.arange(40) + 5
    whole = draw(horizon_draws, student, teacher, users_B=users_B)
    for part in (slice(0, 1), slice(3, 30), slice(30, 40)):
        assert torch.equal(draw(horizon_draws, student[part], teacher[part], users_B=users_B[part]), whole[part])


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    student, teacher = lists(100, 100, 33, 120)
    same_bytes(lambda: [draw(horizon_draws, student, teacher, draws=50)])


def test_same_seed_same_draws() -> None:
    student, teacher = lists(40, 100, 33, 120)
    base = draw(horizon_draws, student, teacher)
    assert torch.equal(base, draw(horizon_draws, student, teacher))
    for other in ({"seed": 4}, {"epoch": 5}):
        assert not torch.equal(base, draw(horizon_draws, student, teacher, **other))


def test_fewer_items_than_draws() -> None:
    student = torch.tensor([[3, 1, -1, -1]], dtype=torch.int32)
    found = draw(horizon_draws, student, torch.tensor([[1]]), draws=3)
    assert sorted(found[0].tolist()) == [-1, 1, 3]
    assert int(found[0, -1]) == -1
    none = draw(horizon_draws, student, torch.tensor([[1, 3]]), draws=3, exclude_teacher=True)
    assert none.tolist() == [[-1, -1, -1]]


def test_misuse() -> None:
    student, teacher = lists(4, 10, 3, 20)
    with pytest.raises(ValueError, match="tau must lie in"):
        draw(horizon_draws, student, teacher, tau=0.0)
    with pytest.raises(ValueError, match="teacher_item_BK must have shape"):
        draw(horizon_draws, student, teacher[:-1])
    with pytest.raises(ValueError, match="raised_by"):
        draw(horizon_draws, student, teacher, raised_by="student")
    with pytest.raises(ValueError, match="must lie in"):
        draw(horizon_draws, student - 1, teacher)
    with pytest.raises(ValueError, match="users_B must have shape"):
        draw(horizon_draws, student, teacher, users_B=torch.arange(3))
