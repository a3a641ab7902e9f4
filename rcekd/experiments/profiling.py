"""Where one epoch's time and memory go, phase by phase: what `rcekd profile` measures."""

import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rcekd import devices, work
from rcekd.config import RunSettings
from rcekd.datasets import Interactions
from rcekd.experiments import runs, teaching
from rcekd.experiments.machine import machine, measured_peaks
from rcekd.experiments.place import Place
from rcekd.experiments.summary import dataset_part, describe, versions
from rcekd.experiments.teaching import Teaching
from rcekd.memory import PeakMemory
from rcekd.methods import build_method, check_needs
from rcekd.models import build_model
from rcekd.training.checkpoint import Progress
from rcekd.training.loop import Silent, Task, Trainer
from rcekd.training.run_folder import RunFolder
from rcekd.training.settings import TrainSettings

NEVER_SAVED = 1e9  # seconds between saved states: none falls into a measured epoch
TEACHER_EPOCHS = 3
BRIEFLY = f"trained for {TEACHER_EPOCHS} epochs"


class Length(NamedTuple):
    """How many epochs are run before the measurement begins, and how many are measured.

    On a GPU so many are measured twice: first as they are, then phase by phase, where each phase waits for the device
    and no step is recorded.
    """

    warmup: int = 1
    epochs: int = 5


class _Epochs(Silent):
    """Keeps the lines of the measured epochs: those that are measured as they are, and those whose work is counted."""

    def __init__(self, length: Length, as_they_are: int, counted: ExitStack) -> None:
        self.plain: list[dict[str, Any]] = []
        self.phased: list[dict[str, Any]] = []
        self.ledger: work.Ledger | None = None
        self._warmup, self._begin, self._counted = length.warmup, length.warmup + as_they_are, counted

    def begin(self, title: str, settings: TrainSettings, progress: Progress, steps: int) -> None:
        del title, settings, steps
        self._count(progress)

    def epoch(self, line: dict[str, Any], progress: Progress) -> None:
        if self.ledger is not None:
            self.phased.append(line)
        elif progress.epochs > self._warmup:
            self.plain.append(line)
        self._count(progress)

    def _count(self, progress: Progress) -> None:
        """Count from the next epoch on, where it is the first to be counted."""
        if progress.epochs == self._begin:
            self.ledger = self._counted.enter_context(work.counting())


def profile(
    settings: RunSettings,
    place: Place,
    length: Length,
    *,
    teacher_dirs: Sequence[Path] = (),
    trace: Path | None = None,
) -> dict[str, Any]:
    """Train some epochs and say where the time went. Nothing is left in the runs folder.

    The teacher is the one in `teacher_dirs`, else the trained one of these settings, else one trained for a few epochs:
    what a method costs hardly depends on how good its teacher is. A method's warm-up is left out.
    trace: a file for torch's own profile of the measured run, to be read by chrome://tracing or Perfetto.
    """
    data = place.data(settings)
    with tempfile.TemporaryDirectory(prefix="rcekd-profile-") as scratch:
        teacher, whose = _teacher(settings, data, place, teacher_dirs, Path(scratch))
        as_they_are = length.epochs if devices.is_gpu(place.device) else 0
        task = _task(settings, data, teacher, length.warmup + as_they_are + length.epochs)
        memory = PeakMemory()
        memory.restart()
        devices.restart_peak(place.device)
        with ExitStack() as counted:
            watched = _Epochs(length, as_they_are, counted)
            folder = RunFolder(Path(scratch) / "student")
            folder.create({"kind": "profile"})
            with _tracing(trace, place.device):
                Trainer(task, folder, watched).run()
    on_device = devices.peak_bytes(place.device)  # before more is put there
    return {
        "kind": "profile",
        "dataset": dataset_part(data),
        "seed": settings.seed,
        "method": settings.method.name,
        "teacher": {"model": teacher.summary["model"], "dim": teacher.summary["dim"], "is": whose} if teacher else None,
        "student": describe(task.model),
        "batch_size": settings.train.batch_size,
        **_costs(watched),
        "device": devices.describe(place.device),
        "peaks": measured_peaks(place.device)._asdict(),
        "peak_rss_bytes": memory.overall(),
        "epochs_peak_rss_bytes": memory.phase(),
        "peak_device_bytes": on_device,
        "warmup": length.warmup,
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _teacher(
    settings: RunSettings, data: Interactions, place: Place, folders: Sequence[Path], scratch: Path
) -> tuple[Teaching | None, str]:
    """The teacher, and where it comes from; none for a student alone."""
    if settings.method.name == "none":
        return None, ""
    unwatched = replace(place, observer=Silent())
    if folders or has_teacher(settings, data, place):
        return teaching.find_or_train(settings, data, unwatched, folders), "trained"
    return teaching.find_or_train(briefly_taught(settings), data, replace(unwatched, runs_dir=scratch), ()), BRIEFLY


def has_teacher(settings: RunSettings, data: Interactions, place: Place) -> bool:
    """Whether the trained teacher has all that the method needs: nobody's teacher is trained again for a profile."""
    teacher = runs.teacher_folder(settings, data, place.runs_dir)
    return teacher.is_complete() and ("trajectory" not in settings.method.needs() or teacher.keeps_trajectory())


def briefly_taught(settings: RunSettings) -> RunSettings:
    """The settings, with a teacher of a few epochs."""
    few = settings.teacher.train.model_copy(update={"epochs": TEACHER_EPOCHS, "checkpoint_seconds": NEVER_SAVED})
    return settings.model_copy(update={"teacher": settings.teacher.model_copy(update={"train": few})})


def _task(settings: RunSettings, data: Interactions, teacher: Teaching | None, epochs: int) -> Task:
    model = build_model(settings.student, data, seed=settings.student_start)
    method = None
    if teacher is not None:
        check_needs(settings.method, teacher.knowledge)
        method = build_method(settings.method.at_once(), teacher.knowledge, data, seed=settings.seed)
    train = settings.train.model_copy(update={"epochs": epochs, "patience": 0, "checkpoint_seconds": NEVER_SAVED})
    weight = settings.method.weight
    return Task("profile", model, data, train, settings.eval, settings.seed, "profile", method, weight)


def _tracing(file: Path | None, device: torch.device) -> Any:
    if file is None:
        return nullcontext()
    activities = [torch.profiler.ProfilerActivity.CPU]
    activities += [torch.profiler.ProfilerActivity.CUDA] if device.type == "cuda" else []
    return torch.profiler.profile(
        activities=activities, on_trace_ready=lambda found: found.export_chrome_trace(str(file))
    )


def _costs(watched: _Epochs) -> dict[str, Any]:
    """Seconds per epoch (median), and per phase the mean seconds, work and rates of the epochs whose work was counted.

    Means, as a phase need not run in every epoch, and its work is a sum over all of them.
    """
    lines, ledger = watched.phased, watched.ledger or work.Ledger()
    seconds = [line["seconds"] for line in watched.plain or lines]
    whole = statistics.fmean(line["seconds"] for line in lines)
    names = list(dict.fromkeys(name for line in lines for name in line["phases"]))
    phases = {}
    for name in names:
        taken = statistics.fmean(line["phases"].get(name, 0.0) for line in lines)
        done = ledger.phases.get(name, work.Work())
        flops, moved = done.flops / len(lines), done.bytes / len(lines)
        phases[name] = {
            "seconds": taken,
            "share": taken / whole,
            "flops": flops,
            "bytes": moved,
            "gflop_per_s": flops / taken / 1e9 if taken else 0.0,
            "gb_per_s": moved / taken / 1e9 if taken else 0.0,
        }
    rest = max(0.0, whole - sum(phase["seconds"] for phase in phases.values()))
    phases["other"] = {"seconds": rest, "share": rest / whole} | dict.fromkeys(
        ("flops", "bytes", "gflop_per_s", "gb_per_s"), 0.0
    )
    return {
        "epoch_seconds": seconds,
        "seconds_per_epoch": statistics.median(seconds),
        "epochs": len(seconds),
        "phased_seconds_per_epoch": whole,
        "phases": phases,
    }
