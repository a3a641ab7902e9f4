"""What figures are drawn from: the blocks of a report, and what stands in the run folders of their cells."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rcekd.errors import InputError
from rcekd.experiments.analysing import FILE
from rcekd.reports.experiment.blocks import Block, Row
from rcekd.reports.experiment.evidence import Evidence
from rcekd.reports.experiment.provenance import run_folder
from rcekd.reports.experiment.records import Record
from rcekd.training.run_folder import RunFolder

BEGIN, MIDDLE, END = 0.02, 0.2, 1.0
"""Shares of the epochs that the paper calls beginning, middle and end of training (Table 7)."""


@dataclass(frozen=True)
class Material:
    """An experiment, read: its folder, its cells in blocks, the metric that is drawn, and the method under test.

    missing: run folders that a figure looked for an analysis in, and found none.
    """

    folder: Path
    evidence: Evidence
    blocks: Sequence[Block]
    metric: str
    subject: str
    missing: list[str] = field(default_factory=list)

    def curve(self, record: Record, key: str) -> list[float]:
        """A number of every epoch from the run's metrics.jsonl, as far as it goes; empty where the run is not there.

        A combination has it under the name of its part: rcekd.overlap.
        """
        run = run_folder(record.summary.run_dir, self.folder)
        lines = RunFolder(run).read_metrics() if run is not None else []
        return [float(line[name]) for line in lines for name in line if name == key or name.endswith(f".{key}")]

    def analysis(self, record: Record) -> dict[str, Any] | None:
        """What `rcekd analyze` found of the cell's run; None, and a word in `missing`, where it has not been there."""
        run = run_folder(record.summary.run_dir, self.folder)
        file = None if run is None else run / FILE
        if file is None or not file.is_file():
            name = Path(record.summary.run_dir).name
            self.missing.extend([name] if name not in self.missing else [])
            return None
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{file}: damaged ({error}); delete it and give rcekd analyze {file.parent}") from error
        return found

    def analyses(self, row: Row) -> list[dict[str, Any]]:
        """Of every seed of a row that has one."""
        return [found for record in row.records if (found := self.analysis(record)) is not None]


def moment_at(analysis: dict[str, Any], share: float) -> dict[str, Any] | None:
    """The kept moment, the untrained model excepted, nearest to a share of the epochs; the earlier of two."""
    trained = [moment for moment in analysis["moments"] if moment["epoch"] > 0]
    return min(trained, key=lambda moment: abs(moment["share"] - share), default=None)


def place_of(blocks: Sequence[Block]) -> tuple[list[str], list[str]]:
    """Datasets and pairs of the blocks, in their order: columns and rows of a figure's panels."""
    return list(dict.fromkeys(b.dataset for b in blocks)), list(dict.fromkeys(b.pair for b in blocks))


def arrow(pair: str) -> str:
    """mf-mf as MF → MF."""
    names = {"mf": "MF", "lightgcn": "LightGCN", "hstu": "HSTU", "sasrec": "SASRec", "bm3": "BM3"}
    teacher, _, student = pair.partition("-")
    return f"{names.get(teacher, teacher)} → {names.get(student, student)}"


def panel_title(block: Block) -> str:
    """Dataset, pair and variant."""
    return ", ".join([block.dataset, arrow(block.pair), *([block.variant] if block.variant else [])])
