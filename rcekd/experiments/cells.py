"""An experiment on disk: what is done, what failed, and who is at work, in files that any number of processes share.

experiment.yaml        the experiment as it was last started
cells/ID.json, .npz    a finished cell: labels, settings, summary; its test metrics of every user (NaN: not judged)
failed/ID.json         a cell that ended in an error, until it succeeds
claims/ID              locked by the process that works on the cell; the lock dies with the process
"""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from torch import Tensor

from rcekd.errors import InputError
from rcekd.experiments.claims import claim
from rcekd.experiments.plan import Cell, Experiment
from rcekd.training.files import write_bytes, write_json, write_text


class CellFolder:
    """The folder of one experiment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, experiment: Experiment) -> None:
        """Make the folder, with the experiment as it is now. InputError where that cannot be written."""
        try:
            for part in ("cells", "failed", "claims"):
                (self.path / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path}: cannot write here ({error.strerror}); give --runs-dir") from error
        values = {"name": experiment.name, **experiment.lasting_values()}
        write_text(self.path / "experiment.yaml", yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    def is_done(self, cell: Cell) -> bool:
        return self._record(cell).is_file()

    def failure(self, cell: Cell) -> dict[str, Any] | None:
        """What is kept of a cell that failed when it was last tried; None where it did not."""
        file = self.path / "failed" / f"{cell.identity}.json"
        found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        return found

    def failed_at(self, cell: Cell) -> int | None:
        """When the file that says that a cell failed was written, in nanoseconds; None where there is none."""
        try:
            return (self.path / "failed" / f"{cell.identity}.json").stat().st_mtime_ns
        except FileNotFoundError:
            return None

    def seconds(self, cell: Cell) -> float | None:
        """How long a finished cell trained; None where it is not done."""
        return float(self.summary(cell)["seconds_total"]) if self.is_done(cell) else None

    def summary(self, cell: Cell) -> dict[str, Any]:
        """What a finished cell's run came to."""
        found: dict[str, Any] = json.loads(self._record(cell).read_text(encoding="utf-8"))["summary"]
        return found

    def forget(self, cell: Cell) -> None:
        """Let a finished cell be run again, unless somebody is at work on it."""
        with self.claim(cell) as ours:
            if ours:
                self._record(cell).unlink(missing_ok=True)

    @contextmanager
    def claim(self, cell: Cell) -> Iterator[bool]:
        """Whether this process may work on the cell: nobody else does until the block ends."""
        with claim(self.path / "claims" / cell.identity) as ours:
            yield ours

    def finish(self, cell: Cell, summary: dict[str, Any], users: dict[str, Tensor]) -> None:
        """Keep what a cell came to. The JSON file comes last: where it stands, the cell is done."""
        packed = io.BytesIO()
        columns: dict[str, Any] = {name: value_U.cpu().numpy().astype(np.float32) for name, value_U in users.items()}
        np.savez_compressed(packed, **columns)
        write_bytes(self._record(cell).with_suffix(".npz"), packed.getvalue())
        labels = cell.labels._asdict()
        record = {
            "id": cell.identity,
            "labels": labels,
            "settings": cell.settings.to_values(),
            "summary": summary,
        }
        write_json(self._record(cell), record)
        (self.path / "failed" / f"{cell.identity}.json").unlink(missing_ok=True)

    def fail(self, cell: Cell, error: str, *, ours: bool) -> None:
        """Keep why a cell failed; ours: by a fault of this program, not of its settings."""
        record = {"id": cell.identity, "labels": cell.labels._asdict(), "error": error, "ours": ours}
        write_json(self.path / "failed" / f"{cell.identity}.json", record)

    def _record(self, cell: Cell) -> Path:
        return self.path / "cells" / f"{cell.identity}.json"
