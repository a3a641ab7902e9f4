"""Curves for TensorBoard, written by tensorboardX, which needs no TensorFlow and no torch.utils.tensorboard."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rcekd.extras import require
from rcekd.training.run_folder import RunFolder
from rcekd.training.sinks.base import Ending, curves


class TensorBoard:
    """One event file of a run, in RUN_DIR/tensorboard or in PLACE/RUN's name.

    A run that goes on writes its curves anew from metrics.jsonl, which resuming has just cut back to the saved state:
    so there is every epoch once, those from before the sink was asked for too.
    """

    def __init__(self, folder: RunFolder, place: str | None) -> None:
        writers = require("tensorboardX", "tensorboard", otherwise="leave out --log-to tensorboard")
        self._make = writers.SummaryWriter
        self._path = Path(place) / folder.path.name if place else folder.path / "tensorboard"
        self._writer: Any = None

    def begin(self, lines: list[dict[str, Any]]) -> None:
        for old in self._path.glob("events.out.tfevents.*"):
            old.unlink(missing_ok=True)
        # The mark tells a TensorBoard that is watching to forget what it has read of the file that is gone.
        self._writer = self._make(str(self._path), purge_step=0)
        for line in lines:
            self._add(line)
        self._writer.flush()

    def line(self, line: dict[str, Any]) -> None:
        self._add(line)
        self._writer.flush()

    def end(self, how: Ending, results: Mapping[str, Mapping[str, float]]) -> None:
        del how
        for name, value in curves(results, "result/").items():
            self._writer.add_scalar(name, value, 0)
        self._writer.close()

    def _add(self, line: dict[str, Any]) -> None:
        for name, value in curves(line).items():
            self._writer.add_scalar(name, value, line["epoch"])
