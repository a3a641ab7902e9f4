"""A report as files, each whole or not at all."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rcekd.errors import InputError, nearest
from rcekd.reports.experiment.csv_files import as_long, as_wide
from rcekd.reports.experiment.document import Document, Section
from rcekd.reports.experiment.judging import Comparison, best_baselines, best_rows, improvement
from rcekd.reports.experiment.latex import as_document, as_tables
from rcekd.reports.experiment.markdown import as_markdown
from rcekd.reports.experiment.page import as_page
from rcekd.training.files import write_text

FORMATS: dict[str, dict[str, Callable[[Document, Path], str]]] = {
    "md": {"report.md": as_markdown},
    "tex": {
        "tables.tex": lambda document, _: as_tables(document),
        "report.tex": lambda document, to: as_document(document, "tables", to),
    },
    "csv": {"cells.csv": lambda document, _: as_long(document), "rows.csv": lambda document, _: as_wide(document)},
    "html": {"report.html": lambda document, _: as_page(document)},
}


def chosen_formats(text: str) -> list[str]:
    """`md,html` as a list. InputError for what is no format."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FORMATS:
            raise InputError(f"--format {name!r}: no format of a report{nearest(name, FORMATS)}")
    if not names:
        raise InputError(f"--format {text!r}: give at least one of {', '.join(FORMATS)}")
    return list(dict.fromkeys(names))


def write_report(document: Document, to: Path, formats: Sequence[str]) -> list[Path]:
    """Write every file of the formats into `to`; returns them."""
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{to}: cannot write a report here ({error.strerror}); give --to DIR") from error
    made = []
    for name in formats:
        for file, render in FORMATS[name].items():
            write_text(to / file, render(document, to))
            made.append(to / file)
    return made


def as_values(document: Document) -> dict[str, Any]:
    """The report as plain values."""
    return {
        "experiment": document.name,
        "title": document.title,
        "metric": document.metric,
        "against": document.against,
        "protocol": list(document.protocol),
        "notes": list(document.notes),
        "blocks": [_block(section, document) for section in document.sections],
    }


def _block(section: Section, document: Document) -> dict[str, Any]:
    block = section.block
    return {
        "dataset": block.dataset,
        "pair": block.pair,
        "variant": block.variant,
        "of_variants": block.of_variants,
        "rows": [
            {
                "method": row.name,
                "role": row.role.value,
                "seeds": list(row.seeds),
                "mean": {metric: row.mean(metric) for metric in document.metrics},
                "sd": {metric: row.deviation(metric) for metric in document.metrics},
                "paper": {metric: figure.value for metric, figure in row.paper.items()},
                "seconds_per_epoch": row.seconds(),
                "peak_bytes": row.peak_bytes(),
                "cells": [record.id for record in row.records],
                "run_dirs": [record.summary.run_dir for record in row.records],
            }
            for row in block.rows
        ],
        "best": {metric: [row.name for row in best_rows(block, metric)] for metric in document.metrics},
        "best_baseline": {metric: [row.name for row in best_baselines(block, metric)] for metric in document.metrics},
        "gain": {metric: improvement(block, metric) for metric in document.metrics},
        "tests": [_tests(entry) for entry in section.comparisons],
        "unfinished": [str(labels) for labels in block.open],
        "failed": [{"cell": str(failure.labels), "error": failure.error} for failure in block.failed],
    }


def _tests(entry: Comparison) -> dict[str, Any]:
    seeds, users = entry.seeds, entry.users
    return {
        "method": entry.other.name,
        "relative": entry.relative,
        "seeds": None
        if seeds is None
        else {**vars(seeds), "t_holm": entry.t_holm, "wilcoxon_holm": entry.wilcoxon_holm},
        "users": None if users is None else {**vars(users), "t_holm": entry.users_holm},
    }
