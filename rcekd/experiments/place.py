"""Where runs happen and who watches them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from rcekd.config import RunSettings
from rcekd.datasets import Interactions, load_dataset
from rcekd.devices import CPU
from rcekd.memory import PeakMemory
from rcekd.training.loop import Observer, Silent
from rcekd.training.sinks import Open


@dataclass(frozen=True)
class Place:
    """Folders for runs and data (None: RCEKD_DATA_DIR, else the user's cache), and an observer.

    device: where models, data and teachers live, and everything is computed.
    tell: gets a line where something is not as a user would expect.
    sinks: where the curves of every run that is trained go, besides its metrics.jsonl.
    """

    runs_dir: Path = Path("runs")
    data_dir: Path | None = None
    observer: Observer = field(default_factory=Silent)
    memory: PeakMemory = field(default_factory=PeakMemory)
    sinks: tuple[Open, ...] = ()
    device: torch.device = CPU
    tell: Callable[[str], None] | None = None

    def data(self, settings: RunSettings) -> Interactions:
        """The prepared dataset of a run, on the device."""
        return load_dataset(settings.dataset, settings.data, data_dir=self.data_dir).to(self.device)
