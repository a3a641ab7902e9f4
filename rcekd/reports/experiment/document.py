"""The whole report, in no markup yet."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import NamedTuple

import yaml

from rcekd.errors import InputError, nearest
from rcekd.evaluation.ranking import METRICS
from rcekd.reports.experiment.blocks import Block, make_blocks
from rcekd.reports.experiment.evidence import Evidence, read_evidence
from rcekd.reports.experiment.judging import Comparison, compare
from rcekd.reports.experiment.provenance import protocol_lines, provenance_sheet
from rcekd.reports.experiment.quality import quality_sheet, row_name
from rcekd.reports.experiment.sheets import Sheet
from rcekd.reports.experiment.testing import overview_sheet, tests_sheet

METRIC, AGAINST = "ndcg@10", "rcekd"


class Figure(NamedTuple):
    """A figure beside the cells."""

    file: Path
    caption: str


@dataclass(frozen=True)
class Section:
    """A block with all that is said about it. settings: (row, YAML of what its cells share)."""

    block: Block
    comparisons: Sequence[Comparison]
    quality: Sheet
    tests: Sheet | None
    provenance: Sheet
    settings: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Document:
    """A report, ready to be written."""

    name: str
    title: str
    note: str
    metric: str
    against: str
    metrics: Sequence[str]
    protocol: Sequence[str]
    notes: Sequence[str]
    overview: Sheet | None
    sections: Sequence[Section]
    figures: Sequence[Figure]

    def sheets(self) -> list[Sheet]:
        """The tables that people read first, in order; provenance stands apart."""
        found = [self.overview] if self.overview is not None else []
        for section in self.sections:
            found += [section.quality, *([section.tests] if section.tests is not None else [])]
        return found


def make_document(folder: Path, to: Path, *, metric: str | None = None, against: str | None = None) -> Document:
    """Read an experiment folder and judge it. InputError for what it does not hold, or what does not compare.

    to: where the report will be written. metric: what is tested [ndcg@10]. against: the method under test [rcekd].
    """
    evidence = read_evidence(folder)
    metrics = _metrics(evidence)
    tested = _tested(metric, metrics)
    subject = _subject(against, evidence)
    judged = [(block, compare(block, tested)) for block in make_blocks(evidence, subject)]
    sections = [_section(f"block{n}", *pair, metrics, tested, folder, to) for n, pair in enumerate(judged, 1)]
    several = sum(not block.of_variants for block, _ in judged) > 1
    return Document(
        name=evidence.name,
        title=evidence.title,
        note=evidence.note,
        metric=tested,
        against=subject,
        metrics=metrics,
        protocol=protocol_lines([block for block, _ in judged]),
        notes=evidence.notes,
        overview=overview_sheet(judged, tested) if several else None,
        sections=sections,
        figures=_figures(folder),
    )


def _metrics(evidence: Evidence) -> list[str]:
    """What every cell was judged by, the known ones first."""
    common = set.intersection(*(set(entry.record.summary.test) for entry in evidence.placed))
    if not common:
        raise InputError(f"{evidence.name}: the cells have no metric in common; run them again")
    return sorted(common, key=lambda name: (METRICS.index(name) if name in METRICS else len(METRICS), name))


def _tested(metric: str | None, metrics: list[str]) -> str:
    if metric is not None and metric not in metrics:
        raise InputError(f"--metric {metric!r}: not in these cells{nearest(metric, metrics)}")
    return metric or (METRIC if METRIC in metrics else metrics[0])


def _subject(against: str | None, evidence: Evidence) -> str:
    methods = {entry.labels.method for entry in evidence.placed}
    if against is not None and against not in methods:
        raise InputError(f"--against {against!r}: no finished cell of this method{nearest(against, methods)}")
    return against or AGAINST


def _section(
    name: str,
    block: Block,
    comparisons: Sequence[Comparison],
    metrics: Sequence[str],
    tested: str,
    folder: Path,
    to: Path,
) -> Section:
    return Section(
        block,
        comparisons,
        quality_sheet(name, block, metrics),
        tests_sheet(f"{name}-tests", block, tested, comparisons),
        provenance_sheet(name, block, folder, to),
        [
            (row_name(row), yaml.safe_dump(row.records[0].own_settings(), sort_keys=False, allow_unicode=True))
            for row in block.rows
            if row.records
        ],
    )


def _figures(folder: Path) -> list[Figure]:
    return [Figure(file, _caption(file)) for file in sorted((folder / "figures").glob("*.svg"))]


def _caption(file: Path) -> str:
    """The title that the file itself has, else its name."""
    found = re.search(r"<dc:title>(.*?)</dc:title>", file.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    return unescape(found[1]).strip() if found else file.stem.replace("-", " ").replace("_", " ")
