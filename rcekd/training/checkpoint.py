"""All that resuming needs, in one file: weights, optimiser moments, the best epoch, and where training stood.

The file is what torch.save writes, followed by the SHA-256 of that: torch itself reads damaged weights without a word.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor, nn

from rcekd.errors import InputError
from rcekd.training.early_stopping import BestEpoch
from rcekd.training.files import write_whole
from rcekd.training.optimizer import Adam

FORMAT = 4
DIGEST_BYTES = hashlib.sha256().digest_size


class ForeignCheckpoint(InputError):
    """A saved state of other settings or data than the run's."""


@dataclass
class Progress:
    """Where training stands: epochs finished, seconds each took, the first batch's mean loss, the best epoch."""

    epochs: int = 0
    seconds: list[float] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    first_loss: float | None = None
    best: BestEpoch = field(default_factory=BestEpoch)


class Stateful(NamedTuple):
    """What training changes: the model, what its method trains and remembers, and the optimiser of both."""

    model: nn.Module
    method: nn.Module
    optimizer: Adam


def save_checkpoint(path: Path, identity: str, trained: Stateful, progress: Progress) -> None:
    """Write the state whole or not at all, so that it can be read on any device.

    `identity` ties it to the settings and data it belongs to.
    """
    state: dict[str, Any] = {
        "format": FORMAT,
        "identity": identity,
        **{name: part.state_dict() for name, part in trained._asdict().items()},
        "progress": {**vars(progress), "best": vars(progress.best)},
    }
    write_whole(path, lambda file: _write(_on_cpu(state), file))


def load_checkpoint(path: Path, identity: str, trained: Stateful) -> Progress:
    """Restore the state into `trained`; no code is unpickled. InputError for a damaged file, and for a foreign one."""
    state = _read(path)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version of rcekd; delete the run folder and run again")
    if state.get("identity") != identity:
        raise ForeignCheckpoint(f"{path}: belongs to another run (its settings or data differ); start a new run")
    try:
        for name, part in trained._asdict().items():
            part.load_state_dict(state[name])
        stored = dict(state["progress"])
        return Progress(**{**stored, "best": BestEpoch(**stored["best"])})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: its contents do not fit this run ({str(error).splitlines()[0]})") from error


def _on_cpu(value: Any) -> Any:
    """The same with copies of all tensors that are not on the CPU."""
    if isinstance(value, dict):
        return {key: _on_cpu(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_on_cpu(part) for part in value]
    return value.cpu() if isinstance(value, Tensor) else value


class _Hashing:
    """A binary file that adds up the digest of what is written, and keeps the error that stopped it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha = hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            written = self._file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.sha.update(data)
        return written

    def flush(self) -> None:
        """torch.save asks for it; `write_whole` flushes in the end."""


def _write(state: dict[str, Any], file: BinaryIO) -> None:
    hashing = _Hashing(file)
    try:
        torch.save(state, hashing)  # type: ignore[arg-type]
    except RuntimeError:
        # torch covers a full disk with a message about positions in its archive.
        if hashing.error is not None:
            raise hashing.error from None
        raise
    file.write(hashing.sha.digest())


def _read(path: Path) -> Any:
    """What was saved. InputError unless the digest is the one it was written with."""
    try:
        with open(path, "rb") as file:
            if not _is_whole(file, path.stat().st_size - DIGEST_BYTES):
                raise InputError(f"{path}: damaged or not a checkpoint; delete the run folder and run again")
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{path}: cannot read this checkpoint ({error.strerror})") from error


def _is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the first `size` bytes have the digest that follows them."""
    sha = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        sha.update(block)
        size -= len(block)
    return size == 0 and file.read() == sha.digest()
