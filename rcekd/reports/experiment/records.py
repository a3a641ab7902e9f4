"""A finished cell as `rcekd run` leaves it: cells/ID.json, and cells/ID.npz with its test metrics of every user."""

import json
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rcekd.datasets.binary import one_line
from rcekd.errors import InputError
from rcekd.experiments.identity import as_before, digest
from rcekd.experiments.plan import TEACHER, Labels

TEACHER_SETTINGS = ("dataset", "data", "teacher", "eval")
SAME_MEAN = 1e-5  # what float32 and another order of adding may do to a mean


class Facts(BaseModel):
    """Read from a file that another version may have written: what is not known here is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DataFacts(Facts):
    """Of which data a cell is."""

    name: str
    users: int
    items: int
    train: int
    valid: int
    test: int
    split: str
    fingerprint: str
    cold_test_share: float


class Protocol(Facts):
    """How a cell was judged."""

    mask: str
    users: str
    history: str = "train"


class Versions(Facts):
    """What a cell was made with."""

    rcekd: str = "unknown"
    python: str = "unknown"
    torch: str = "unknown"
    machine: str = "unknown"
    commit: str | None = None


class TeacherFacts(Facts):
    """Whom a student learnt from."""

    run_dir: str = ""
    model: str = "unknown"
    dim: int | None = None

    @property
    def size(self) -> str:
        return self.model if self.dim is None else f"{self.model} {self.dim}"


class RunFacts(Facts):
    """What a report needs of a run's summary.json. Costs are None where nothing was trained (an imported teacher)."""

    run_dir: str
    dataset: DataFacts
    protocol: Protocol
    test: dict[str, float]
    model: str
    dim: int
    parameters: int | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    seconds_per_epoch: float | None = None
    training_peak_rss_bytes: int | None = None
    device: str | None = None
    versions: Versions = Versions()
    commit: str | None = None
    teacher: TeacherFacts | None = None
    """None for a teacher, and for a student alone."""

    @property
    def machine(self) -> str:
        """What it was trained on, a GPU first: times on anything else do not compare."""
        on_gpu = self.device not in (None, "cpu")
        return f"{self.device} in {self.versions.machine}" if on_gpu else self.versions.machine

    @property
    def code(self) -> str:
        """Version and, where it is known, commit."""
        commit = self.commit or self.versions.commit
        return f"rcekd {self.versions.rcekd}" + (f" ({commit})" if commit else "")


class Record(Facts):
    """A finished cell. `file` is where it was read."""

    id: str
    labels: Labels
    settings: dict[str, Any]
    summary: RunFacts
    file: Path = Field(default=Path())

    def own_settings(self) -> dict[str, Any]:
        """The settings that this cell depends on, seeds left out: equal for all cells of a row."""
        teacher = self.labels.method == TEACHER
        kept = {key: value for key, value in self.settings.items() if key != "seed"}
        kept = {key: value for key, value in kept.items() if not teacher or key in TEACHER_SETTINGS}
        if isinstance(kept.get("teacher"), dict):
            # What a teacher's scores are divided by when it teaches is no part of the teacher itself.
            left_out = ("seed", "temperature") if teacher else ("seed",)
            kept["teacher"] = {key: value for key, value in kept["teacher"].items() if key not in left_out}
        return kept

    @property
    def settings_digest(self) -> str:
        return digest(as_before(self.own_settings()))

    def per_user(self, metric: str) -> npt.NDArray[np.float64] | None:
        """The metric of every user, float64 [U], NaN for those not judged; None where they were not kept.

        InputError where they do not fit the summary.
        """
        file = self.file.with_suffix(".npz")
        if not file.is_file():
            return None
        try:
            with np.load(file, allow_pickle=False) as arrays:
                if metric not in arrays:
                    return None
                value_U = np.asarray(arrays[metric], np.float64)
        except Exception as error:  # NumPy raises what its readers raise: zipfile's, zlib's
            why = one_line(error) or "cut short"
            raise InputError(
                f"{file}: cannot read the values per user ({why}); delete {self.file} and run the cell again"
            ) from error
        self._check_users(value_U, metric, file)
        return value_U

    def _check_users(self, value_U: npt.NDArray[np.float64], metric: str, file: Path) -> None:
        facts, again = self.summary, f"delete {self.file} and run the cell again"
        if value_U.shape != (facts.dataset.users,):
            raise InputError(f"{file}: {metric} has shape {value_U.shape}, expected ({facts.dataset.users},); {again}")
        judged_U = value_U if facts.protocol.users == "all" else value_U[~np.isnan(value_U)]
        mean = float(judged_U.mean()) if judged_U.size else 0.0
        if metric in facts.test and not abs(mean - facts.test[metric]) <= SAME_MEAN:
            raise InputError(
                f"{file}: {metric} averages {mean:.5f}, the summary says {facts.test[metric]:.5f}; {again}"
            )


class Failure(Facts):
    """A cell that ended in an error when it was last tried."""

    id: str
    labels: Labels
    error: str


Read = TypeVar("Read", bound=Facts)


def read_records(folder: Path) -> list[Record]:
    """Every finished cell of an experiment folder, in the order of their names."""
    files = sorted((folder / "cells").glob("*.json"))
    return [_read(file, Record).model_copy(update={"file": file}) for file in files]


def read_failures(folder: Path) -> list[Failure]:
    """Every failed cell of an experiment folder."""
    return [_read(file, Failure) for file in sorted((folder / "failed").glob("*.json"))]


def _read(file: Path, kind: type[Read]) -> Read:
    try:
        return kind.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"{file}: {key}: {message}; delete the file and run the cell again") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: is no JSON of a cell ({error}); delete the file and run the cell again") from error
