"""Doors that draw without scores: sample_negatives, unseen_draws, horizon_draws."""

from typing import Any

import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.horizon import horizon_draws
from rcekd.kernels.negatives import sample_negatives
from rcekd.kernels.unseen_draws import unseen_draws
from tests.kernels.fuzz.judging import Call, at_length, fuzz
from tests.kernels.fuzz.making import HUGE, IDS, INT64, Making

SEEN = ("seen.indptr", "seen.indices", "n_items", "draws")
NO_COUNT = (-1, -5, -(2**63), *HUGE)


def keyed(m: Making) -> dict[str, int]:
    return {"seed": m.among(0, 3, 2**63 - 1, -(2**63), 2**100), "epoch": m.among(0, 5, 2**40)}


def negatives_call(m: Making) -> Call:
    users, items = m.size(), m.size(least=1)
    seen = m.seen(users, items)
    items += 1  # who has seen everything is refused
    user_B = m.passed("user_B", m.integers(users, m.size() if users else 0), *IDS)
    arguments = (
        user_B,
        seen,
        m.number("n_items", items, 0, *NO_COUNT),
        m.number("draws", m.among(1, 2, 5, 40), 0, *NO_COUNT),
    )
    options = keyed(m) | {"first": m.number("first", m.among(0, 5, 2**33), -1, INT64, 2**63, 2**100)}
    return Call(
        lambda: [sample_negatives(*arguments, **options)], lambda: [reference.sample_negatives(*arguments, **options)]
    )


def unseen_call(m: Making) -> Call:
    users, items = m.size(), m.size()
    some = m.integers(users, m.size() if users else 0)
    arguments = (
        m.seen(users, items),
        m.number("n_items", items, *NO_COUNT),
        m.number("draws", m.among(0, 1, 2, 17, 150), *NO_COUNT),
    )
    chosen = m.passed("users_B", some, *IDS) if m.spoiled == "users_B" or m.among(True, False) else None
    options = keyed(m) | {"users_B": chosen}
    return Call(lambda: [unseen_draws(*arguments, **options)], lambda: [reference.unseen_draws(*arguments, **options)])


def lists(m: Making, batch: int, listed: int, items: int) -> Tensor:
    """Ids with repeats and some padding."""
    return m.integers(items, batch, listed, lowest=-1)


def horizon_call(m: Making) -> Call:
    batch, items = m.size(), m.among(1, 5, 60, 1000)
    student = m.passed("student", lists(m, batch, m.size(), items), *IDS)
    teacher = m.passed("teacher", lists(m, batch, m.size(), items), *IDS)
    users = m.passed("users_B", m.integers(10**6, batch), *IDS)
    options: dict[str, Any] = keyed(m) | {
        "draws": m.number("draws", m.among(0, 1, 5, 200), *NO_COUNT),
        "tau": m.number("tau", m.among(1e-6, 0.1, 10.0, 1e20), 0.0, -1.0, 1e-320, float("nan"), float("inf")),
        "users_B": users if m.spoiled == "users_B" or m.among(True, False) else None,
        "top_k": m.number("top_k", m.among(0, 1, 10, 200), *NO_COUNT),
        "raised_by": m.number("raised_by", m.among("teacher", "missing"), "", "both"),
        "clip": m.number("clip", m.among(None, 0, 3, 50), -1, -5, -(2**63), *HUGE, 2**63, 2**100),
        "inclusive": m.among(True, False),
        "exclude_teacher": m.among(True, False),
        "by_rank": m.among(True, False),
    }
    return Call(
        lambda: [horizon_draws(student, teacher, **options)],
        lambda: [reference.horizon_draws(student, teacher, **options)],
    )


@at_length
def test_sample_negatives(examples: int) -> None:
    fuzz(negatives_call, [*SEEN, "user_B", "first"], examples)


@at_length
def test_unseen_draws(examples: int) -> None:
    fuzz(unseen_call, [*SEEN, "users_B"], examples)


@at_length
def test_horizon_draws(examples: int) -> None:
    fuzz(horizon_call, ["student", "teacher", "users_B", "draws", "tau", "top_k", "raised_by", "clip"], examples)


def test_huge_ids_are_listed_in_the_horizon() -> None:
    """The marks of taught items are one bit per id up to the highest."""
    student = torch.tensor([[2**31 - 2, 5]])
    found = horizon_draws(student, student, draws=2, tau=1.0, seed=0, epoch=0, top_k=1)
    assert sorted(found[0].tolist()) == [5, 2**31 - 2]
