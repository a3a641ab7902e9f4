"""The table of tests of a block, and the overview of all blocks on the metric that is tested."""

from collections.abc import Sequence

from rcekd.evaluation.significance import LEVEL
from rcekd.reports.experiment import texts
from rcekd.reports.experiment.blocks import Block, Role, Row
from rcekd.reports.experiment.judging import Comparison, best_baselines, caveats, improvement, ratio
from rcekd.reports.experiment.quality import row_name
from rcekd.reports.experiment.sheets import Column, Entry, Mark, Sheet

BRIEF = ("t, Holm", "Wilcoxon, Holm", "95 % interval", "d_z")
SEEDS, USERS = "seeds", "users"


def tests_sheet(name: str, block: Block, metric: str, comparisons: Sequence[Comparison]) -> Sheet | None:
    """The method under test against every other row; None where there is nothing to compare."""
    subject = block.subject
    if subject is None or not comparisons:
        return None
    columns = [
        Column("against", numeric=False), Column("difference"), Column("relative"),
        *(Column(c, group=SEEDS, brief=c in BRIEF) for c in ("n", "t", "t, Holm", "Wilcoxon", "Wilcoxon, Holm", "d_z")),
        *(Column(c, group=USERS, brief=c in BRIEF) for c in ("n", "t", "t, Holm", "95 % interval", "d_z")),
    ]  # fmt: skip
    rows = [[Entry(row_name(entry.other)), *_mean(entry), *_numbers(entry)] for entry in comparisons]
    notes = [
        "p-values of paired, two-sided tests; Holm: corrected for the comparisons of this table; bold: below 0.05",
        "over users: values averaged over the common seeds, percentile bootstrap; d_z: Cohen's, of the differences",
        *caveats(block, comparisons),
    ]
    caption = f"{block.title}: {row_name(subject)} against the others on {metric}"
    return Sheet(name, caption, columns, rows, notes=notes)


def overview_sheet(judged: Sequence[tuple[Block, Sequence[Comparison]]], metric: str) -> Sheet:
    """One row per block: teacher, student alone, the best baseline, the method under test."""
    columns = [
        Column("block", numeric=False), Column("teacher"), Column("student alone"), Column("best baseline"),
        Column("under test"), Column("gain"), Column("of the teacher"), Column("p over seeds"), Column("p over users"),
    ]  # fmt: skip
    rows = [_overview(block, found, metric) for block, found in judged if not block.of_variants]
    notes = ["p: paired t-test against the best baseline, Holm's correction within the block"]
    return Sheet("overview", f"All blocks on {metric}", columns, rows, notes=notes)


def _overview(block: Block, comparisons: Sequence[Comparison], metric: str) -> list[Entry]:
    rival = next(iter(best_baselines(block, metric)), None)
    subject, gain = block.subject, improvement(block, metric)
    teacher = next((row for row in block.rows if row.role is Role.TEACHER), None)
    alone = next((row for row in block.rows if row.role is Role.ALONE), None)
    found = next((entry for entry in comparisons if entry.other is rival), None)
    share = ratio(subject, teacher, metric) if subject is not None and teacher is not None else None
    best = _of(rival, metric)
    named = best if rival is None else Entry(f"{best.text} ({row_name(rival)})", order=best.order)
    return [
        Entry(block.title), _of(teacher, metric), _of(alone, metric), named, _of(subject, metric),
        Entry(texts.percent(gain), order=gain),
        Entry(texts.NOTHING if share is None else f"{100 * share:.0f} %", order=share),
        _p(found.t_holm if found else None), _p(found.users_holm if found else None),
    ]  # fmt: skip


def _of(row: Row | None, metric: str) -> Entry:
    mean = row.mean(metric) if row is not None else None
    return Entry(texts.metric(mean), order=mean)


def _mean(entry: Comparison) -> list[Entry]:
    gap = entry.seeds.difference if entry.seeds is not None else None
    return [Entry(texts.change(gap), order=gap), Entry(texts.percent(entry.relative), order=entry.relative)]


def _numbers(entry: Comparison) -> list[Entry]:
    seeds, users = entry.seeds, entry.users
    return [
        _count(seeds.n if seeds else None), _p(seeds.t if seeds else None, plain=True), _p(entry.t_holm),
        _p(seeds.wilcoxon if seeds else None, plain=True), _p(entry.wilcoxon_holm),
        _effect(seeds.effect if seeds else None),
        _count(users.n if users else None), _p(users.t if users else None, plain=True), _p(entry.users_holm),
        Entry(texts.interval(users.interval if users else None), order=users.difference if users else None),
        _effect(users.effect if users else None),
    ]  # fmt: skip


def _p(value: float | None, *, plain: bool = False) -> Entry:
    strong = not plain and value is not None and value < LEVEL
    return Entry(texts.p_value(value), order=value, mark=Mark.BOLD if strong else Mark.NONE)


def _count(value: int | None) -> Entry:
    return Entry(texts.NOTHING if value is None else f"{value:,}", order=value)


def _effect(value: float | None) -> Entry:
    return Entry(texts.effect(value), order=value)
