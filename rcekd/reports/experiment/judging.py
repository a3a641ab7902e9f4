"""Which row is best, which baseline is, what the method under test gains, and whether that is more than chance."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcekd.errors import InputError
from rcekd.evaluation.significance import LEVEL, SeedTest, UserTest, holm, over_seeds, over_users, smallest_wilcoxon
from rcekd.reports.experiment.blocks import Block, Role, Row

DIGITS = 4
"""Decimals that metrics are shown with. What a reader sees as equal is a tie."""


@dataclass(frozen=True)
class Comparison:
    """The method under test against another row, on one metric; p-values named holm are corrected for the block."""

    other: Row
    relative: float | None
    """Over the seeds that both have."""
    seeds: SeedTest | None
    users: UserTest | None
    t_holm: float | None
    wilcoxon_holm: float | None
    users_holm: float | None


def best_rows(block: Block, metric: str) -> list[Row]:
    """The best students, several where they tie as shown."""
    return _highest([row for row in block.rows if row.role is not Role.TEACHER], metric)


def best_baselines(block: Block, metric: str) -> list[Row]:
    """The best of what is not of the method under test; the student alone is a baseline too."""
    if block.of_variants:
        return []
    return _highest([row for row in block.rows if row.role in (Role.ALONE, Role.BASELINE)], metric)


def improvement(block: Block, metric: str) -> float | None:
    """Relative gain of the method under test over the best baseline; None where either is missing, or common seeds."""
    rivals = best_baselines(block, metric)
    return _relative(block.subject, rivals[0], metric) if rivals and block.subject is not None else None


def ratio(row: Row, other: Row, metric: str) -> float | None:
    """A row's mean over another's, both over their common seeds; None where there is none."""
    ours, theirs = _common(row, other, metric)
    base = statistics.fmean(theirs) if theirs else 0.0
    return statistics.fmean(ours) / base if base else None


def compare(block: Block, metric: str) -> list[Comparison]:
    """The method under test against every other row that has cells, with Holm's correction over these rows."""
    subject = block.subject
    if subject is None:
        return []
    others = [row for row in block.rows if row.records and row is not subject]
    seeds = [_over_seeds(subject, other, metric) for other in others]
    users = [_over_users(subject, other, metric) for other in others]
    t_holm = holm([test.t if test else None for test in seeds])
    wilcoxon_holm = holm([test.wilcoxon if test else None for test in seeds])
    users_holm = holm([test.t if test else None for test in users])
    return [
        Comparison(other, _relative(subject, other, metric), *found)
        for other, *found in zip(others, seeds, users, t_holm, wilcoxon_holm, users_holm, strict=True)
    ]


def caveats(block: Block, comparisons: Sequence[Comparison]) -> list[str]:
    """What the tests of a block cannot tell, in words."""
    notes = []
    pairs = sorted({test.n for entry in comparisons if (test := entry.seeds) is not None})
    if any(entry.seeds is None or entry.seeds.n < 2 for entry in comparisons):
        notes.append("fewer than two common seeds: no test over seeds")
    for n in pairs:
        if n > 1 and smallest_wilcoxon(n) >= LEVEL:
            notes.append(f"with {n} seeds the least p that Wilcoxon's test can give is {smallest_wilcoxon(n):.3g}")
    if any(entry.users is None for entry in comparisons):
        notes.append("no test over users where the values per user were not kept, or no seed is common")
    if differ_in_seeds(block):
        notes.append("not all rows have the same seeds; differences and tests are over those that both sides have")
    return notes


def differ_in_seeds(block: Block) -> bool:
    """Whether some rows' means are over other seeds than others'."""
    return len({frozenset(row.seeds) for row in block.rows if row.records}) > 1


def _highest(rows: Sequence[Row], metric: str) -> list[Row]:
    means = [(row, round(mean, DIGITS)) for row in rows if (mean := row.mean(metric)) is not None]
    top = max((mean for _, mean in means), default=None)
    tied = [row for row, mean in means if mean == top]
    return sorted(tied, key=lambda row: -(row.mean(metric) or 0.0))


def _relative(row: Row, other: Row, metric: str) -> float | None:
    times = ratio(row, other, metric)
    return None if times is None else times - 1.0


def _common(row: Row, other: Row, metric: str) -> tuple[list[float], list[float]]:
    """A metric of both rows at the seeds that both have."""
    first, second = row.values(metric), other.values(metric)
    seeds = sorted(first.keys() & second.keys())
    return [first[seed] for seed in seeds], [second[seed] for seed in seeds]


def _over_seeds(subject: Row, other: Row, metric: str) -> SeedTest | None:
    first, second = _common(subject, other, metric)
    return over_seeds(first, second) if first else None


def _over_users(subject: Row, other: Row, metric: str) -> UserTest | None:
    """Users' values averaged over the seeds that both rows have."""
    common = sorted(set(subject.seeds) & set(other.seeds))
    first, second = (_users(row, common, metric) for row in (subject, other))
    if first is None or second is None:
        return None
    try:
        return over_users(first, second)
    except InputError as error:
        raise InputError(f"{subject.records[0].file}, {other.records[0].file}: {error}") from error


def _users(row: Row, seeds: Sequence[int], metric: str) -> npt.NDArray[np.float64] | None:
    records = dict(zip(row.seeds, row.records, strict=True))
    values: list[Any] = [records[seed].per_user(metric) for seed in seeds]
    if not values or any(value_U is None for value_U in values):
        return None
    mean_U: npt.NDArray[np.float64] = np.mean(values, axis=0, dtype=np.float64)
    return mean_U
