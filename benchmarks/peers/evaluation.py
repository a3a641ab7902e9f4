"""Recall and NDCG at 10 and 20 of all users: ranx from our ranked lists, dense torch from the factors, and ours.

ranx judges lists and does not make them. It gets them twice: as the dictionaries its guide shows, turned into a `Run`
within the time, and as the arrays it computes on, ready. The held-out items are ready in both.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import interleaved, table
from benchmarks.peers.setting import Setting, limited, peer
from benchmarks.peers.topk import of_torch
from rcekd.evaluation.ranking import CUTOFFS, METRICS, average, per_user, rank
from rcekd.kernels.csr import CSR

Metrics = dict[str, float]
LARGEST = max(CUTOFFS)


def of_lists(item_UN: Tensor, targets: CSR) -> Metrics:
    return average(per_user(item_UN, targets), targets, "all")


def split(targets: CSR) -> list[list[int]]:
    """Every user's held-out items."""
    return [part.tolist() for part in targets.indices.split(targets.lengths().tolist())]


def of_ranx_arrays(setting: Setting, item_UN: Tensor) -> Callable[[], Metrics]:
    """(item, relevance) and (item, score) in float64, as ranx has them after it has hashed all names."""
    ranx, typed = peer("ranx"), peer("numba.typed")
    wanted = typed.List([np.array([(item, 1) for item in items], dtype=float) for items in split(setting.data.test)])
    falling_UN = -torch.arange(item_UN.shape[1]).expand_as(item_UN)
    listed = torch.stack([item_UN.double(), falling_UN.double()], dim=2).numpy()
    return lambda: dict(ranx.evaluate(wanted, listed, list(METRICS), threads=setting.threads))


def of_ranx(setting: Setting, item_UN: Tensor) -> Callable[[], Metrics]:
    ranx = peer("ranx")
    items = split(setting.data.test)
    wanted = ranx.Qrels({str(user): {str(item): 1 for item in row} for user, row in enumerate(items)})

    def call() -> Metrics:
        lists = {
            str(user): {str(item): float(-place) for place, item in enumerate(row)}
            for user, row in enumerate(item_UN.tolist())
        }
        found: Metrics = ranx.evaluate(wanted, ranx.Run(lists), list(METRICS), threads=setting.threads)
        return found

    return call


def of_dense_torch(setting: Setting) -> Metrics:
    """Blocks of users: matmul, mask, topk; the hits looked up in a row of marks; then the metrics by their formulas."""
    data, n_targets_U = setting.data, setting.data.test.lengths()
    item_UN = of_torch(setting, LARGEST, data.seen).item_UK
    hit_UN = torch.cat([marked(item_BN, data.test, begin, data.n_items) for begin, item_BN in blocks(item_UN)]).double()
    discount_N = 1 / torch.log2(torch.arange(2, LARGEST + 2).double())
    found: Metrics = {}
    for cutoff in CUTOFFS:
        ideal_U = discount_N.cumsum(0)[n_targets_U.clamp(1, cutoff) - 1]
        found[f"recall@{cutoff}"] = float((hit_UN[:, :cutoff].sum(1) / n_targets_U.clamp(min=1)).mean())
        found[f"ndcg@{cutoff}"] = float(((hit_UN[:, :cutoff] @ discount_N[:cutoff]) / ideal_U).mean())
    return found


def blocks(item_UN: Tensor, step: int = 1024) -> list[tuple[int, Tensor]]:
    return [(begin, item_UN[begin : begin + step]) for begin in range(0, item_UN.shape[0], step)]


def marked(item_BN: Tensor, targets: CSR, begin: int, n_items: int) -> Tensor:
    """Which listed items of users begin, begin + 1, … are targets."""
    ends = targets.indptr[begin : begin + item_BN.shape[0] + 1]
    mark_BI = torch.zeros(item_BN.shape[0], n_items, dtype=torch.bool)
    row = torch.arange(item_BN.shape[0]).repeat_interleave(ends.diff())
    mark_BI[row, targets.indices[ends[0] : ends[-1]].long()] = True
    return mark_BI.gather(1, item_BN.long())


def assert_same(found: Any, expected: Metrics, tolerance: float) -> None:
    for name in METRICS:
        assert abs(float(found[name]) - expected[name]) <= tolerance, f"{name}: {found[name]}, not {expected[name]}"


def bench(setting: Setting, rounds: int) -> str:
    """Both tables; all figures are held against ours first. Ties may be ranked otherwise by torch, the rest not."""
    test, seen = setting.data.test, setting.data.seen
    assert bool((test.lengths() > 0).all()), "ranx wants something to find for every user"
    with limited(setting.threads):
        item_UN = rank(setting.tables, seen)
        expected = of_lists(item_UN, test)
        judging: dict[str, Callable[[], Metrics]] = {
            "ranx, from dictionaries": of_ranx(setting, item_UN),
            "ranx, from arrays": of_ranx_arrays(setting, item_UN),
            "rcekd": lambda: of_lists(item_UN, test),
        }
        whole: dict[str, Callable[[], Metrics]] = {
            "torch, dense blocks": lambda: of_dense_torch(setting),
            "rcekd": lambda: of_lists(rank(setting.tables, seen), test),
        }
        for call in judging.values():
            assert_same(call(), expected, 1e-9)
        assert_same(whole["torch, dense blocks"](), expected, 1e-5)
        of = f"of {setting.data.n_users} users: {setting}"
        return "\n".join(
            [
                table(f"Recall and NDCG from lists of {LARGEST}, {of}", interleaved(judging, rounds=rounds)),
                table(f"Ranking and judging, {of}", interleaved(whole, rounds=rounds)),
            ]
        )
