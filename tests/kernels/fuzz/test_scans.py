"""Doors that rank by scores: topk, closure, rank_gap_lists, pool_gap_lists."""

from dataclasses import astuple
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.closure import closure
from rcekd.kernels.csr import CSR
from rcekd.kernels.gap import GapDraws
from rcekd.kernels.pool_gap_draws import pool_gap_lists
from rcekd.kernels.rank_gap_draws import rank_gap_lists
from rcekd.kernels.reference.closure import closure as reference_closure
from rcekd.kernels.reference.topk import topk as reference_topk
from rcekd.kernels.topk import topk
from tests.kernels.fuzz.judging import Call, at_length, fuzz
from tests.kernels.fuzz.making import FACTORS, HUGE, IDS, WIDTHS, Making

TABLES = ("user", "item")
SCAN = (*TABLES, "users_B", "seen.indptr", "seen.indices")


def tables(m: Making, users: int, items: int, names: tuple[str, str] = TABLES) -> tuple[Tensor, Tensor]:
    width = m.one(WIDTHS)
    user, item = (m.special(m.random(rows, width)) for rows in (users, items))
    return m.passed(names[0], user, *FACTORS), m.passed(names[1], item, *FACTORS)


def rows(m: Making, users: int) -> dict[str, Any]:
    """Which users, all of them or some, with repeats."""
    some = m.integers(users, m.size() if users else 0)
    return {"users_B": m.passed("users_B", some, *IDS) if m.spoiled == "users_B" or m.among(True, False) else None}


def history(m: Making, users: int, items: int) -> dict[str, CSR | None]:
    spoiled = (m.spoiled or "").startswith("seen")
    return {"seen": m.seen(users, items) if spoiled or m.among(True, False) else None}


def topk_call(m: Making) -> Call:
    users, items = m.size(), m.size()
    arguments = *tables(m, users, items), m.number("k", m.among(1, 2, 7, 16, 100, 5000), 0, -1, -(2**63), *HUGE)
    options = rows(m, users) | history(m, users, items)
    return Call(partial(topk, *arguments, **options), partial(reference_topk, *arguments, **options))


def teacher_lists(m: Making, users: int, items: int, listed: int) -> Tensor:
    """Distinct items, −1 where short."""
    order_BI = torch.rand(users, max(items, listed), generator=m.generator).argsort(1)[:, :listed]
    short_BK = torch.rand(users, listed, generator=m.generator) < m.among(0.0, 0.3)
    return order_BI.masked_fill(short_BK | (order_BI >= items), -1).int()


def repeated(m: Making, ids: Tensor) -> Tensor:
    """A list in which items come again."""
    return ids[:, torch.randint(ids.shape[1], (ids.shape[1],), generator=m.generator)] if ids.numel() else ids


def closure_call(m: Making) -> Call:
    users, items = m.size(), m.size()
    user, item = tables(m, users, items)
    options = rows(m, users) | history(m, users, items)
    batch = users if options["users_B"] is None else options["users_B"].numel()
    taught = teacher_lists(m, batch, items, m.among(1, 2, 5, 16, 40, 200))
    options |= {
        "draws": m.number("draws", m.among(0, 1, 7, 50, 300), -1, -(2**63), *HUGE),
        "tau": m.number("tau", m.among(1e-6, 0.1, 1.0, 10.0, 1e30), 0.0, -1.0, 1e-300, float("nan"), float("inf")),
        "seed": m.number("seed", m.among(0, 3, 2**63 - 1, -(2**63)), 2**64, 2**200, -(2**100)),
        "epoch": m.number("epoch", m.among(0, 5, 2**31), -1, 2**63, 2**64, 2**100),
        "clip": m.number("clip", m.among(None, 0, 2, 50, 2**31, 2**62), -1, -(2**63), 2**63, 2**100),
        "raised_by": m.number("raised_by", m.among("missing", "teacher"), "", "both"),
        "inclusive": m.among(True, False),
        "exclude_teacher": m.among(True, False),
    }
    arguments = user, item, m.passed("teacher", taught, *IDS, repeated)
    return Call(
        lambda: astuple(closure(*arguments, **options)), lambda: astuple(reference_closure(*arguments, **options))
    )


def gap_requests(m: Making, *, replacement: bool) -> list[GapDraws]:
    """None or some; with replacement, where that may be."""
    return [
        GapDraws(
            m.number("draws", m.among(0, 1, 7, 50, 300), -1, -(2**63), *HUGE),
            m.number("weight", m.among("tanh", "exp"), "", "log"),
            m.number("eps", m.among(1e-100, 1e-3, 0.1, 1e100), 0.0, -1.0, 1e-300, float("nan"), float("inf")),
            m.number("direction", m.among("under", "over"), "", "both"),
            m.number("stream", m.among(0, 7, 2**40), -1, 2**64, 2**100),
            m.among(True, False) if replacement else m.number("replacement", False, True),
        )
        for _ in range(m.among(0, 1, 3))
    ]


def gap_call(m: Making) -> Call:
    users, items = m.size(), m.size()
    arguments = *tables(m, users, items), *tables(m, users, items, ("other_user", "other_item"))
    requests = gap_requests(m, replacement=True)
    options = rows(m, users) | history(m, users, items)
    options |= {"seed": m.among(0, 3, 2**63 - 1, -(2**63), 2**100), "epoch": m.among(0, 5, 2**40)}
    return Call(
        partial(rank_gap_lists, *arguments, requests, **options),
        partial(reference.rank_gap_lists, *arguments, requests, **options),
    )


def pool_call(m: Making) -> Call:
    rows, candidates = m.size(), m.size()
    pool = m.integers(candidates, rows, m.among(0, 1, 7, 16, 49, 200, 300), lowest=-1)
    arguments = *tables(m, rows, candidates), m.passed("pool", pool, *IDS), gap_requests(m, replacement=False)
    names = m.passed("rows_N", m.integers(10**6, rows), *IDS)
    options = {
        "seed": m.among(0, 3, 2**63 - 1, -(2**63), 2**100),
        "epoch": m.among(0, 5, 2**40),
        "in_order": m.among(True, False),
        "rows_N": names if m.spoiled == "rows_N" or m.among(True, False) else None,
    }
    return Call(
        partial(pool_gap_lists, *arguments, **options), partial(reference.pool_gap_lists, *arguments, **options)
    )


@at_length
def test_topk(examples: int) -> None:
    fuzz(topk_call, [*SCAN, "k"], examples)


@at_length
def test_closure(examples: int) -> None:
    fuzz(closure_call, [*SCAN, "teacher", "draws", "tau", "seed", "epoch", "clip", "raised_by"], examples)


@at_length
def test_rank_gap_lists(examples: int) -> None:
    requests = ["draws", "weight", "eps", "direction", "stream"]
    fuzz(gap_call, [*SCAN, "other_user", "other_item", *requests], examples)


@at_length
def test_pool_gap_lists(examples: int) -> None:
    requests = ["draws", "weight", "eps", "direction", "stream", "replacement"]
    fuzz(pool_call, [*TABLES, "pool", "rows_N", *requests], examples)
