"""A report as CSV: one file with a line per cell and metric, one with a line per row of the tables."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from rcekd.reports.experiment.blocks import Block, Row
from rcekd.reports.experiment.document import Document, Section
from rcekd.reports.experiment.judging import Comparison

Line = dict[str, Any]


def as_long(document: Document) -> str:
    """Every metric of every cell with all that it came from; numbers in full."""
    lines = [line for block in document.blocks for line in _cells(block)]
    return _write(lines)


def as_wide(document: Document) -> str:
    """Every row of every block: means, deviations, the paper's values, costs, and tests of the metric tested."""
    return _write([line for section in document.sections for line in _rows(section, document)])


def _cells(block: Block) -> Iterator[Line]:
    for row in block.rows:
        for seed, record in zip(row.seeds, row.records, strict=True):
            facts = record.summary
            origin = {
                "seconds_per_epoch": facts.seconds_per_epoch, "training_peak_rss_bytes": facts.training_peak_rss_bytes,
                "parameters": facts.parameters, "epochs": facts.epochs, "best_epoch": facts.best_epoch,
                "run_dir": facts.run_dir, "cell": record.id, "settings": record.settings_digest,
                "data": facts.dataset.fingerprint, "split": facts.dataset.split,
                "cold_test_share": facts.dataset.cold_test_share, "mask": facts.protocol.mask,
                "users": facts.protocol.users, "code": facts.code, "torch": facts.versions.torch,
                "machine": facts.machine,
            }  # fmt: skip
            place = {"dataset": block.dataset, "pair": block.pair, "variant": block.variant, "method": row.name}
            for metric, value in facts.test.items():
                yield {**place, "seed": seed, "metric": metric, "value": value, **origin}


def _rows(section: Section, document: Document) -> Iterator[Line]:
    block = section.block
    for row in block.rows:
        test = next((entry for entry in section.comparisons if entry.other is row), None)  # two may have one name
        line: Line = {"dataset": block.dataset, "pair": block.pair, "variant": block.variant, "method": row.name}
        line |= {"role": row.role.value, "seeds": len(row.records)}
        for metric in document.metrics:
            paper = row.paper.get(metric)
            line |= {metric: row.mean(metric), f"{metric} sd": row.deviation(metric)}
            line |= {f"{metric} paper": None if paper is None else paper.value}
        line |= {"seconds_per_epoch": _only(row), "training_peak_rss_bytes": row.peak_bytes()}
        yield line | _tests(test, block, document.metric)


def _only(row: Row) -> float | None:
    """The time of the one machine that all seeds ran on; there is no such number for several."""
    seconds = list(row.seconds().values())
    return seconds[0] if len(seconds) == 1 else None


def _tests(entry: Comparison | None, block: Block, metric: str) -> Line:
    seeds, users = (entry.seeds, entry.users) if entry is not None else (None, None)
    low, high = users.interval if users is not None and users.interval is not None else (None, None)
    return {
        "tested against": block.subject.name if entry is not None and block.subject is not None else None,
        "tested metric": metric if entry is not None else None,
        "seeds t p": seeds.t if seeds else None, "seeds t p holm": entry.t_holm if entry else None,
        "seeds wilcoxon p": seeds.wilcoxon if seeds else None,
        "seeds wilcoxon p holm": entry.wilcoxon_holm if entry else None, "seeds d_z": seeds.effect if seeds else None,
        "users t p": users.t if users else None, "users t p holm": entry.users_holm if entry else None,
        "users low": low, "users high": high, "users d_z": users.effect if users else None,
    }  # fmt: skip


def _write(lines: Sequence[Line]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
