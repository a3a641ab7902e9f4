"""Where runs happen and who watches them."""

from dataclasses import dataclass, field
from pathlib import Path

from rcekd.config import RunSettings
from rcekd.datasets import Interactions, load_dataset
from rcekd.memory import PeakMemory
from rcekd.training.loop import Observer


@dataclass(frozen=True)
class Place:
    """Folders for runs and data (None: RCEKD_DATA_DIR, else the user's cache), and an observer."""

    runs_dir: Path
    data_dir: Path | None
    observer: Observer
    memory: PeakMemory = field(default_factory=PeakMemory)

    def data(self, settings: RunSettings) -> Interactions:
        """The prepared dataset of a run."""
        return load_dataset(settings.dataset, settings.data, data_dir=self.data_dir)
