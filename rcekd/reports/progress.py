"""How far an experiment has come."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rcekd.experiments.cells import CellFolder
from rcekd.experiments.forecast import Forecast, forecast
from rcekd.experiments.plan import Cell, Labels
from rcekd.experiments.working import News
from rcekd.reports.table import Table


def status(cells: Sequence[Cell], folder: CellFolder, left: Forecast) -> dict[str, Any]:
    """Counts of cells, those that failed, and what is left, as plain values."""
    pending = [cell for cell in cells if not folder.is_done(cell)]
    failures = [(cell, failure) for cell in pending if (failure := folder.failure(cell)) is not None]
    return {
        "folder": str(folder.path),
        "cells": len(cells),
        "done": len(cells) - len(pending),
        "pending": len(pending) - len(failures),
        "failed": [
            {"labels": str(cell.labels), "error": failure["error"], "ours": failure["ours"]}
            for cell, failure in failures
        ],
        "seconds_left": left.seconds,
        "cells_of_unknown_length": left.unknown,
    }


def status_table(cells: Sequence[Cell], folder: CellFolder, left: Forecast, jobs: int, kin: Sequence[Cell]) -> Table:
    """A row per dataset, pair and method: how many cells are done, failed and to come.

    kin: the cells of the whole experiment; the notes name the methods of it that are one with another.
    """
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for cell in cells:
        labels = cell.labels
        state = "done" if folder.is_done(cell) else "failed" if folder.failure(cell) else "to come"
        counts.setdefault((labels.dataset, labels.pair, labels.method), Counter())[state] += 1
    rows = [(*key, *(str(count[state]) for state in ("done", "failed", "to come"))) for key, count in counts.items()]
    now = status(cells, folder, left)
    notes = [f"folder: {folder.path}; its tables: rcekd report {folder.path}"]
    notes += _shared(cells, kin)
    notes += [f"{failed['labels']}: {failed['error']}" for failed in now["failed"]]
    if now["done"] < now["cells"]:
        notes.append(f"training left: {left}" + (f", shared by {jobs} processes" if jobs > 1 else ""))
    columns = ("dataset", "pair", "method", "done", "failed", "to come")
    return Table(f"{now['done']} of {now['cells']} cells done", columns, rows, notes)


def _shared(cells: Sequence[Cell], kin: Sequence[Cell]) -> list[str]:
    """What stands in the experiment under several labels, and is run once."""
    shown = {cell.identity: _row(cell.labels) for cell in cells}
    pairs = ((_row(cell.labels), shown.get(cell.identity)) for cell in kin)
    told = dict.fromkeys((other, row) for other, row in pairs if row not in (None, other))
    return [f"{other} has the settings of {row}, and shares its runs" for other, row in told]


def _row(labels: Labels) -> str:
    return " ".join(filter(None, (labels.method, labels.variant)))


def ready_table(found: Sequence[tuple[str, str, list[str]]]) -> Table:
    """The experiments that come with the package."""
    rows = [(name, title, ", ".join(scales)) for name, title, scales in found]
    notes = ["rcekd run NAME --scale small --dry-run says what would run; docs/experiments.md says what each shows"]
    return Table("ready experiments", ("name", "what it shows", "scales"), rows, notes)


class Progress:
    """Tells of every cell that begins or ends, with an estimate of what is left."""

    def __init__(
        self, cells: Sequence[Cell], folder: CellFolder, kin: Sequence[Cell], say: Callable[[str], None]
    ) -> None:
        self._cells, self._folder, self._kin, self._say = cells, folder, kin, say
        self._done = self._count_done()
        self._begun: set[str] = set()
        say(f"{self._done} of {len(cells)} cells were done before")

    def told(self, news: News) -> None:
        """Hear of a cell in this process."""
        if news.state == "begun":
            if news.cell.identity not in self._begun:
                self._say(f"{self._count()} {news.cell.labels} …")
            self._begun.add(news.cell.identity)
        elif news.state == "waiting":
            return
        elif news.state == "failed":
            self._say(f"{self._count()} {news.cell.labels} failed after {news.seconds:.0f} s: {news.error}")
        else:
            self._say(f"{self._count()} {news.cell.labels} done in {news.seconds:.0f} s, left: {self._left()}")

    def look(self) -> None:
        """See what other processes have done since."""
        done = self._count_done()
        if done != self._done:
            self._done = done
            self._say(f"{self._count()} work left: {self._left()}")

    def _left(self) -> Forecast:
        return forecast(self._cells, self._folder, self._kin)

    def _count_done(self) -> int:
        return sum(self._folder.is_done(cell) for cell in self._cells)

    def _count(self) -> str:
        return f"[{self._count_done()}/{len(self._cells)}]"
