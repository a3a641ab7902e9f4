"""All that resuming needs, in one file: weights, optimiser moments, the best epoch, and where training stood."""

import pickle
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from rcekd.errors import InputError
from rcekd.models import Backbone
from rcekd.training.early_stopping import BestEpoch
from rcekd.training.files import write_whole
from rcekd.training.optimizer import Adam

FORMAT = 1


@dataclass
class Progress:
    """Where training stands: epochs finished, seconds each took, the first epoch's mean loss, the best epoch."""

    epochs: int = 0
    seconds: list[float] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    first_loss: float | None = None
    best: BestEpoch = field(default_factory=BestEpoch)


def save_checkpoint(path: Path, identity: str, model: Backbone, optimizer: Adam, progress: Progress) -> None:
    """Write the state whole or not at all. `identity` ties it to the settings and data it belongs to."""
    state: dict[str, Any] = {
        "format": FORMAT,
        "identity": identity,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "progress": {**vars(progress), "best": vars(progress.best)},
    }
    write_whole(path, lambda file: torch.save(state, file))


def load_checkpoint(path: Path, identity: str, model: Backbone, optimizer: Adam) -> Progress:
    """Restore the state into model and optimiser. InputError for a damaged or foreign file; no code is unpickled."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: damaged or not a checkpoint ({reason}); delete the run folder, run again") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version of rcekd; delete the run folder and run again")
    if state["identity"] != identity:
        raise InputError(f"{path}: belongs to another run (its settings or data differ); start a new run")
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        stored = dict(state["progress"])
        return Progress(**{**stored, "best": BestEpoch(**stored["best"])})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: its contents do not fit this run ({str(error).splitlines()[0]})") from error
