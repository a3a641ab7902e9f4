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
from rcekd.experiments.plan import TEACHER
from rcekd.reports.experiment.blocks import Block, every_block, methods_by_label, with_variants
from rcekd.reports.experiment.evidence import Evidence, read_evidence
from rcekd.reports.experiment.judging import Comparison, compare
from rcekd.reports.experiment.provenance import protocol_lines, provenance_sheet
from rcekd.reports.experiment.quality import quality_sheet, row_name, shortened
from rcekd.reports.experiment.sheets import Sheet
from rcekd.reports.experiment.testing import overview_sheet, tests_sheet
from rcekd.reports.figures.drawing import FOLDER, KINDS, draw_figures
from rcekd.reports.figures.material import Material
from rcekd.reports.figures.ov_table import ov_sheet

METRIC, AGAINST = "ndcg@10", "rcekd"
REPORT = "report"
"""Where in its experiment's folder a report is written."""


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
    """A report, ready to be written. blocks: every finished cell; sections: the same, variants side by side."""

    name: str
    title: str
    note: str
    metric: str
    against: str
    metrics: Sequence[str]
    protocol: Sequence[str]
    notes: Sequence[str]
    overview: Sheet | None
    extras: Sequence[Sheet]
    sections: Sequence[Section]
    figures: Sequence[Figure]
    blocks: Sequence[Block]

    def sheets(self) -> list[Sheet]:
        """The tables that people read first, in order; provenance stands apart."""
        found = [*([self.overview] if self.overview is not None else []), *self.extras]
        for section in self.sections:
            found += [section.quality, *([section.tests] if section.tests is not None else [])]
        return found


def make_document(
    folder: Path, to: Path, *, metric: str | None = None, against: str | None = None, only: Sequence[str] = ()
) -> Document:
    """Read an experiment folder, judge it, and draw its figures: into it, or beside a report that is written elsewhere.

    InputError for what it does not hold, or what does not compare.

    to: where the report will be written, by default folder/report. metric: what is tested [ndcg@10]. against: the
    method under test [the experiment's own, else rcekd]. only: labels of the cells to be shown; none: all.
    """
    evidence = read_evidence(folder, only)
    metrics = _metrics(evidence)
    tested = _tested(metric, metrics, evidence)
    subject = _subject(against, evidence)
    planned = every_block(evidence, subject)
    blocks = [block for block in planned if block.records]
    material = Material(folder, evidence, blocks, tested, subject)
    extra = ov_sheet(material)
    own = to.resolve() == (folder / REPORT).resolve()
    drawn = draw_figures(material, (folder if own else to) / FOLDER)
    judged = [(block, compare(block, tested)) for block in with_variants(planned)]
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
        notes=[
            *evidence.notes,
            *_untested(evidence, subject),
            *_untabled(evidence, [block for block, _ in judged]),
            *_not_analysed(material),
        ],
        overview=overview_sheet(judged, tested) if several else None,
        extras=[extra] if extra is not None else [],
        sections=sections,
        figures=_figures(folder, drawn),
        blocks=blocks,
    )


def _metrics(evidence: Evidence) -> list[str]:
    """What every cell was judged by, the known ones first."""
    common = set.intersection(*(set(entry.record.summary.test) for entry in evidence.placed))
    if not common:
        raise InputError(f"{evidence.name}: the cells have no metric in common; run them again")
    return sorted(common, key=lambda name: (METRICS.index(name) if name in METRICS else len(METRICS), name))


def _tested(metric: str | None, metrics: list[str], evidence: Evidence) -> str:
    if metric is not None and metric not in metrics:
        raise InputError(f"--metric {metric!r}: not in these cells{nearest(metric, metrics)}")
    usual = evidence.grid.metric if evidence.grid is not None else None
    return metric or next((name for name in (usual, METRIC) if name in metrics), metrics[0])


def _subject(against: str | None, evidence: Evidence) -> str:
    methods = {entry.labels.method for entry in evidence.placed} - {TEACHER}  # no student, so never best of them
    if against is not None and against not in methods:
        raise InputError(f"--against {against!r}: no finished cell of this method{nearest(against, methods)}")
    usual = evidence.grid.against if evidence.grid is not None else None
    return against or usual or _by_method(evidence)


def _by_method(evidence: Evidence) -> str:
    """The label of rcekd, whatever it is, where one row alone is of that method."""
    shown, known = {labels.method for labels in evidence.places}, methods_by_label(evidence)
    found = [label for label, method in known.items() if method == AGAINST and label in shown - {TEACHER}]
    return found[0] if len(found) == 1 and AGAINST not in shown else AGAINST


def _untested(evidence: Evidence, subject: str) -> list[str]:
    """Why there are no tests where several rows are finished and none will be of the method under test."""
    rows = {(labels.method, labels.variant) for labels, _ in evidence.placed if labels.method != TEACHER}
    if len(rows) < 2 or any(labels.method == subject for labels in evidence.places):
        return []
    known = dict.fromkeys(labels.method for labels, _ in evidence.placed if labels.method != TEACHER)
    return [f"nothing is tested: no row is labelled {subject!r}; give --against LABEL ({', '.join(known)})"]


def _untabled(evidence: Evidence, shown: Sequence[Block]) -> list[str]:
    """What failed or is open where nothing is finished, so that no table names it."""
    named = {failure.labels for block in shown for failure in block.failed}
    named |= {labels for block in shown for labels in block.open}
    unfinished = [str(labels) for labels in evidence.open if labels not in named]
    failed = [failure for failure in evidence.failed if failure.labels not in named]
    return [
        *(f"not finished: {labels}" for labels in shortened(unfinished)),
        *(f"failed: {failure.labels}: {failure.error}" for failure in failed),
    ]


def _not_analysed(material: Material) -> list[str]:
    if not material.missing:
        return []
    others = f" and {len(material.missing) - 1} more" if len(material.missing) > 1 else ""
    return [f"not in the figures, for want of an analysis: {material.missing[0]}{others}; `rcekd analyze RUN` makes it"]


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


def _figures(folder: Path, drawn: Sequence[Path]) -> list[Figure]:
    """What was drawn now, and the user's own; what was drawn for an earlier report is neither."""
    own = [file for file in (folder / FOLDER).glob("*.svg") if file.stem not in KINDS]
    files = own + [file for file in drawn if file.suffix == ".svg"]
    return [Figure(file, _caption(file)) for file in sorted(files, key=lambda file: file.name)]


def _caption(file: Path) -> str:
    """The title that the file itself has, else its name."""
    found = re.search(r"<dc:title>(.*?)</dc:title>", file.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    return unescape(found[1]).strip() if found else file.stem.replace("-", " ").replace("_", " ")
