"""Blocks: the rows that stand side by side because they compare, each a method (or a variant) over its seeds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby

from rcekd.errors import InputError
from rcekd.experiments.plan import TEACHER, Labels, PaperFigure
from rcekd.reports.experiment.evidence import Evidence, Placed
from rcekd.reports.experiment.records import Failure, Record

UNLABELLED = "as it is"
"""What the variant without a label is called where variants stand side by side."""


class Role(Enum):
    """What a row is to the comparison; the order is that of the rows."""

    TEACHER = "teacher"
    ALONE = "student alone"
    BASELINE = "baseline"
    KIN = "of the same method as the one under test"
    SUBJECT = "under test"


@dataclass(frozen=True)
class Row:
    """One method over its seeds; no records where only the paper has numbers, or nothing is finished."""

    name: str
    role: Role
    records: Sequence[Record]
    seeds: Sequence[int]
    paper: dict[str, PaperFigure]

    def values(self, metric: str) -> dict[int, float]:
        """Seed → metric."""
        pairs = zip(self.seeds, self.records, strict=True)
        return {seed: found[metric] for seed, record in pairs if metric in (found := record.summary.test)}

    def mean(self, metric: str) -> float | None:
        values = list(self.values(metric).values())
        return statistics.fmean(values) if values else None

    def deviation(self, metric: str) -> float | None:
        """Standard deviation over seeds, with n − 1; None for fewer than two."""
        values = list(self.values(metric).values())
        return statistics.stdev(values) if len(values) > 1 else None

    def seconds(self) -> dict[str, float]:
        """Machine → median over seeds of the seconds per epoch."""
        costs = [(r.summary.machine, r.summary.seconds_per_epoch) for r in self.records]
        timed = [(machine, seconds) for machine, seconds in costs if seconds is not None]
        return {
            machine: statistics.median(seconds for _, seconds in group)
            for machine, group in groupby(sorted(timed), key=lambda entry: entry[0])
        }

    def peak_bytes(self) -> int | None:
        """The most memory that any seed's training took."""
        return max((p for r in self.records if (p := r.summary.training_peak_rss_bytes) is not None), default=None)


@dataclass(frozen=True)
class Block:
    """Rows of one dataset, pair and variant; or, with `of_variants`, of the variants of the method under test."""

    dataset: str
    pair: str
    variant: str
    rows: Sequence[Row]
    failed: Sequence[Failure]
    open: Sequence[Labels]
    of_variants: bool = False

    @property
    def title(self) -> str:
        teacher, _, student = self.pair.partition("-")
        parts = [self.dataset, f"{teacher} → {student}" if student else self.pair]
        return ", ".join([*parts, *([self.variant] if self.variant else [])])

    @property
    def records(self) -> list[Record]:
        return [record for row in self.rows for record in row.records]

    @property
    def subject(self) -> Row | None:
        return next((row for row in self.rows if row.role is Role.SUBJECT and row.records), None)

    @property
    def machines(self) -> list[str]:
        return sorted({machine for row in self.rows for machine in row.seconds()})


def every_block(evidence: Evidence, subject: str) -> list[Block]:
    """A block for each dataset, pair and variant, in the order of the plan, those too of which nothing is finished.

    InputError where cells of one block do not compare.
    """
    methods = methods_by_label(evidence)
    places = dict.fromkeys((labels.dataset, labels.pair, labels.variant) for labels in evidence.places)
    pairs = list(dict.fromkeys(place[:2] for place in places))
    places_in_order = sorted(places, key=lambda place: pairs.index(place[:2]))
    return [_block(evidence, place, subject, methods) for place in places_in_order]


def methods_by_label(evidence: Evidence) -> dict[str, str]:
    """Label → method: of the plan, where cells say nothing else."""
    planned = evidence.grid.methods if evidence.grid is not None else []
    found = {entry.labels.method: _method_name(entry.record) for entry in reversed(evidence.placed)}
    return {choice.label: choice.method or choice.label for choice in planned} | found


def _method_name(record: Record) -> str:
    method = record.settings.get("method")
    return str(method.get("name", "")) if isinstance(method, dict) else ""


def _block(evidence: Evidence, place: tuple[str, str, str], subject: str, methods: Mapping[str, str]) -> Block:
    def here(labels: Labels | PaperFigure) -> bool:
        return (labels.dataset, labels.pair, labels.variant) == place

    placed = [entry for entry in evidence.placed if here(entry.labels)]
    failed = [failure for failure in evidence.failed if here(failure.labels)]
    unfinished = [labels for labels in evidence.open if here(labels)]
    paper = [figure for figure in evidence.paper if here(figure)]
    names = [entry.labels.method for entry in placed] + [failure.labels.method for failure in failed]
    names += [labels.method for labels in unfinished] + [figure.method for figure in paper]
    rows = [_row(name, placed, paper, subject, methods) for name in dict.fromkeys(names)]
    rows.sort(key=lambda row: list(Role).index(row.role))
    block = Block(*place, rows, failed, unfinished)
    check_comparable(block.title, block.records)
    return block


def _row(
    name: str, placed: Iterable[Placed], paper: Iterable[PaperFigure], subject: str, methods: Mapping[str, str]
) -> Row:
    entries = sorted((entry for entry in placed if entry.labels.method == name), key=lambda entry: entry.labels.seed)
    records = [entry.record for entry in entries]
    _check_settings(records)
    figures = {figure.metric: figure for figure in paper if figure.method == name}
    role = _role(name, records, subject, methods)
    return Row(name, role, records, [entry.labels.seed for entry in entries], figures)


def _role(name: str, records: Sequence[Record], subject: str, methods: Mapping[str, str]) -> Role:
    if name == subject:
        return Role.SUBJECT
    if name == TEACHER:
        return Role.TEACHER
    method = _method_name(records[0]) if records else methods.get(name, name)
    if method == "none":
        return Role.ALONE
    return Role.KIN if methods.get(subject, subject) in method.split("+") else Role.BASELINE


def check_comparable(title: str, records: Sequence[Record]) -> None:
    """InputError where two cells are of different data or were judged differently."""
    for record in records[1:]:
        for what, key in (("data", _data_of), ("protocol", _protocol_of)):
            if key(record) != key(records[0]):
                raise InputError(
                    f"{title}: cells {records[0].id} ({records[0].labels}: {what} {key(records[0])}) and {record.id} "
                    f"({record.labels}: {key(record)}) do not compare; run them on one {what}, or as variants"
                )


def _data_of(record: Record) -> str:
    return record.summary.dataset.fingerprint[:16]


def _protocol_of(record: Record) -> str:
    protocol = record.summary.protocol
    read = "" if protocol.history == "train" else f", history {protocol.history}"
    return f"mask {protocol.mask}, users {protocol.users}{read}"


def _check_settings(records: Sequence[Record]) -> None:
    for record in records[1:]:
        if record.settings_digest != records[0].settings_digest:
            raise InputError(
                f"{records[0].file} ({records[0].labels}) and {record.file.name} (seed {record.labels.seed}) differ in "
                "more than their seeds, so they have no common mean; delete the outdated one and run it again"
            )


def with_variants(blocks: list[Block]) -> list[Block]:
    """The blocks that a report shows: of each dataset and pair those with more than a variant of the method under test
    or with a teacher of their own, then one that sets its variants beside the first, with what failed or is open of the
    others.

    A block of which nothing is finished is shown nowhere.
    """
    found: list[Block] = []
    for _, group in groupby(blocks, key=lambda block: (block.dataset, block.pair)):
        siblings = list(group)
        finished = [block for block in siblings if block.records]
        fits = _comparable(finished)
        if len(fits) < 2:
            found += finished
            continue
        own: list[Block] = []
        for block in finished:
            if not own or _stands_alone(block, fits, own):
                own.append(block)
        found += [*own, _beside(fits, [block for block in siblings if block not in own])]
    return found


_OTHERS = (Role.ALONE, Role.BASELINE, Role.KIN)


def _comparable(siblings: list[Block]) -> list[Block]:
    """The variants of the method under test that are on the first one's data and protocol."""
    known = [(block, row) for block in siblings if (row := block.subject) is not None]
    return [block for block, row in known if _judged_by(row) == _judged_by(known[0][1])]


def _stands_alone(block: Block, fits: list[Block], shown: list[Block]) -> bool:
    """Whether a block has cells that neither the block of variants, made of `fits`, nor those before it show."""
    others = any(row.role in _OTHERS and row.records for row in block.rows)
    told = set[str]().union(*map(_teachers, shown))
    return others or (block.subject is not None and block not in fits) or not _teachers(block) <= told


def _teachers(block: Block) -> set[str]:
    """The teacher's cells."""
    return {record.id for row in block.rows if row.role is Role.TEACHER for record in row.records}


def _beside(fits: list[Block], dropped: list[Block]) -> Block:
    """One row per variant; what failed or is open of the blocks that are dropped for it is named here."""
    known = [(block.variant or UNLABELLED, row) for block in fits if (row := block.subject) is not None]
    rows = [replace(row, name=variant, role=Role.KIN) for variant, row in known]
    base, title = fits[0], f"variants of {known[0][1].name}"
    rows[0] = replace(rows[0], role=Role.SUBJECT)
    failed = [failure for block in dropped for failure in block.failed]
    unfinished = [labels for block in dropped for labels in block.open]
    return Block(base.dataset, base.pair, title, rows, failed, unfinished, of_variants=True)


def _judged_by(row: Row) -> tuple[str, str]:
    return _data_of(row.records[0]), _protocol_of(row.records[0])
