"""A run folder: config.yaml, metrics.jsonl, summary.json, model.safetensors, and state/ with what resuming needs."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import safetensors
import yaml
from safetensors.torch import save as serialise_tensors
from torch import Tensor

from rcekd import yaml_text
from rcekd.errors import InputError
from rcekd.training.files import naming, write_bytes, write_json, write_text
from rcekd.training.trajectory import Trajectory, evenly_with_reserve, geometrically

SUMMARY_KEYS = {
    "kind", "run_dir", "identity", "dataset", "seed", "epochs", "best_epoch", "seconds_per_epoch",
    "training_peak_rss_bytes", "model", "dim", "parameters", "valid", "test",
}  # fmt: skip

METADATA_KEY = "rcekd"


class BusyFolder(InputError):
    """Another process is at work in a run folder."""


class RunFolder:
    """One run on disk. `lock` admits one process at a time; every other file appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def summary_file(self) -> Path:
        return self.path / "summary.json"

    @property
    def model_file(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def checkpoint_file(self) -> Path:
        return self.path / "state" / "checkpoint.pt"

    @property
    def trajectory(self) -> Trajectory:
        """What a teacher keeps of its training, for methods that teach from it."""
        return Trajectory(self.path / "trajectory", evenly_with_reserve)

    @property
    def moments(self) -> Trajectory:
        """What a student keeps of its training, for analysis; another folder, as none of it is to be taught from."""
        return Trajectory(self.path / "moments", geometrically)

    def create(self, config: dict[str, Any]) -> None:
        """Make the folder with its resolved settings. InputError where that cannot be written."""
        with self._writing():
            (self.path / "state").mkdir(parents=True, exist_ok=True)
            write_text(self.config_file, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))

    def hold(self) -> None:
        """Lock the folder, made where it is not there, before anything is said or written in it."""
        with self._writing():
            (self.path / "state").mkdir(parents=True, exist_ok=True)
        self.lock()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot write a run folder here ({error.strerror}); give --runs-dir"
            ) from error

    def lock(self) -> None:
        """Hold the folder until `unlock` or the end of the process, however it ends."""
        try:
            file = open(self.path / "state" / "lock", "w")  # noqa: SIM115 - held open on purpose
        except OSError as error:
            raise InputError(f"{self.path}: not a run folder that can be written ({error.strerror})") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise BusyFolder(f"{self.path}: another process is running in this folder; wait for it to end") from error
        self._lock = file
        for stale in self.path.rglob(".*.part"):  # what a kill cut short; nobody else writes here now
            stale.unlink(missing_ok=True)

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def is_complete(self) -> bool:
        return self.summary_file.is_file() and self.model_file.is_file()

    def keeps_trajectory(self) -> bool:
        """Whether the run was started to keep moments of its training; False where it was not started yet."""
        return self.config_file.is_file() and bool(self.read_config().get("keep_trajectory"))

    def start_again(self) -> None:
        """Forget that the run has finished, and where it stood: the next training begins at the first epoch."""
        for file in (self.summary_file, self.checkpoint_file):
            file.unlink(missing_ok=True)

    def read_config(self) -> dict[str, Any]:
        """The settings the run was started with."""
        if not self.config_file.is_file():
            raise InputError(f"{self.path}: no config.yaml here, so this is not a run folder")
        try:
            config = yaml_text.load(self.config_file.read_text(encoding="utf-8"))
        except (yaml.YAMLError, ValueError) as error:
            raise InputError(f"{self.config_file}: not YAML ({yaml_text.problem(error)})") from error
        if not isinstance(config, dict) or "kind" not in config:
            raise InputError(f"{self.config_file}: not the settings of a run (it has no key `kind`)")
        return config

    def read_summary(self) -> dict[str, Any]:
        """What the run came to. InputError where it has not finished or the file is damaged."""
        if not self.summary_file.is_file():
            raise InputError(f"{self.path}: the run has not finished; go on with --resume {self.path}")
        try:
            summary = json.loads(self.summary_file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{self.summary_file}: damaged ({error}); delete the folder and run again") from error
        if not isinstance(summary, dict) or not summary.keys() >= SUMMARY_KEYS:
            raise InputError(f"{self.summary_file}: damaged (not a run's summary); delete the folder and run again")
        return summary

    def write_summary(self, summary: dict[str, Any]) -> None:
        write_json(self.summary_file, summary)

    def append_metrics(self, line: dict[str, Any]) -> None:
        """Add an epoch's line."""
        with naming(self.metrics_file), open(self.metrics_file, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """The epochs' lines; a last line cut off by a kill is passed over."""
        if not self.metrics_file.is_file():
            return []
        lines: list[dict[str, Any]] = []
        for text in self.metrics_file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                break
            if not isinstance(line, dict) or line.get("epoch") != len(lines):
                break
            lines.append(line)
        return lines

    def truncate_metrics(self, epochs: int) -> None:
        """Keep the lines of the first `epochs` epochs: what came after the last saved state happens again."""
        kept = [line for line in self.read_metrics() if line["epoch"] < epochs]
        write_text(self.metrics_file, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept))

    def write_model(self, weights: dict[str, Tensor], metadata: dict[str, str]) -> None:
        """The trained weights, the same bytes for the same weights and metadata, whatever device they are on."""
        weights = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
        # One key only: safetensors writes several in an order that changes from one save to the next.
        packed = json.dumps({**metadata, "digest": _digest(weights)}, sort_keys=True)
        data = serialise_tensors(weights, {METADATA_KEY: packed})
        write_bytes(self.model_file, data)

    def read_model(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Weights and metadata. InputError for a missing, damaged or foreign file."""
        try:
            with safetensors.safe_open(self.model_file, framework="pt") as file:
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
                metadata: dict[str, str] = json.loads((file.metadata() or {}).get(METADATA_KEY, "{}"))
        except FileNotFoundError:
            raise InputError(f"{self.model_file}: no trained model here; finish the run with --resume") from None
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            raise InputError(f"{self.model_file}: damaged or not a model file ({error})") from error
        if metadata.pop("digest", None) not in (None, _digest(weights)):
            raise InputError(f"{self.model_file}: damaged; delete it and finish the run again with --resume")
        return weights, metadata


def _digest(weights: dict[str, Tensor]) -> str:
    """Of every tensor's name, kind, shape and bytes: safetensors itself does not notice a changed byte."""
    sha = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        sha.update(tensor.numpy().data)
    return sha.hexdigest()


def named(path: Path) -> Path:
    """The same folder by a path that ends in its name, as `.` and `..` do not: other runs lie in the path's parent."""
    return path.resolve() if path.name in ("", "..") else path


def next_free(parent: Path, stem: str) -> Path:
    """Make and return parent/stem-NNN with the lowest free number; two processes never get the same one."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, 100_000):
            path = parent / f"{stem}-{number:03d}"
            try:
                os.mkdir(path)
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise InputError(f"{parent}: cannot make a run folder here ({error.strerror}); give --runs-dir") from error
    raise InputError(f"{parent}: no free folder name for {stem}; clear old runs")
