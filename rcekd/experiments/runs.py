"""Runs that are made once and shared: a teacher, or a student trained alone, found by what they depend on."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from rcekd import devices
from rcekd.config import RunSettings
from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.experiments.identity import student_identity, teacher_identity
from rcekd.experiments.place import Place
from rcekd.experiments.summary import describe, model_part, run_summary
from rcekd.methods import Method, build_method
from rcekd.models import Backbone, ModelSettings, build_model, empty_model
from rcekd.teachers import TeacherKnowledge
from rcekd.training.loop import Task, Trainer
from rcekd.training.run_folder import BusyFolder, RunFolder
from rcekd.training.sinks import watched

# Seconds between looks at what another process is doing.
POLL_SECONDS = 1.0

Done = TypeVar("Done")


def once_free(work: Callable[[], Done], who: str, place: Place) -> Done:
    """What `work` returns, tried again for as long as another process holds a folder that it needs.

    place.tell hears once that `who` waits, and for what.
    """
    said = False
    while True:
        try:
            return work()
        except BusyFolder as busy:
            if not said and place.tell is not None:
                place.tell(f"{who} waits: {busy}")
            said = True
        time.sleep(POLL_SECONDS)


def train_in(
    folder: RunFolder, kind: str, task: Task, settings: RunSettings, place: Place, extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Train a task in a folder and write its summary, which is returned. Goes on from a saved state."""
    if not task.data.is_validated and place.tell is not None:
        place.tell(
            f"{task.title}: {task.data.name}, split {task.data.split}, holds nothing out for validation, so the last "
            f"epoch is kept and {task.section}.patience does nothing"
        )
    place.memory.restart()
    devices.restart_peak(place.device)
    with watched(place.observer, place.sinks, folder) as observer:
        trained = Trainer(task, folder, observer).run()
        observer.results = trained.metrics
    costs = {"device": devices.describe(place.device), "peak_device_bytes": devices.peak_bytes(place.device)}
    costs |= {"peak_rss_bytes": place.memory.overall(), "training_peak_rss_bytes": place.memory.phase()}
    summary = run_summary(kind, str(folder.path), settings, task.data, task.seed, trained, costs)
    summary |= {"identity": task.identity, **describe(task.model), **(extra or {})}
    if task.model.reads_times and task.data.times is not None:
        summary["dataset"]["times"] = task.data.times.digest
    if kind == "distill":
        summary["student"] = model_part(summary)
    # The last file of a run: where it stands, the run is complete.
    folder.write_summary(summary)
    return summary


def shared_run(
    folder: RunFolder,
    kind: str,
    settings: RunSettings,
    place: Place,
    make_task: Callable[[], Task],
    *,
    keep_trajectory: bool = False,
) -> dict[str, Any]:
    """The summary of a run that others may have made already; trains it where nobody has.

    keep_trajectory: whether its trajectory is wanted; one that was begun with it keeps it in any case.
    """
    if folder.is_complete() and (not keep_trajectory or folder.keeps_trajectory()):
        return finished(folder)
    folder.hold()
    try:
        # Only now is nobody else at work here, who may have finished it meanwhile.
        kept = folder.keeps_trajectory()
        if keep_trajectory and not kept:
            # Trained before without, to the end or not: it is trained again, to the same weights.
            folder.start_again()
        elif folder.is_complete():
            return finished(folder)
        keep = kept or keep_trajectory
        own: dict[str, Any] = {"kind": kind} | ({"keep_trajectory": True} if keep else {})
        folder.create(own | settings.to_values())
        return train_in(folder, kind, replace(make_task(), keep_trajectory=keep), settings, place)
    finally:
        folder.unlock()


def finished(folder: RunFolder) -> dict[str, Any]:
    """The summary of a complete run, with the place where it is found now."""
    return folder.read_summary() | {"run_dir": str(folder.path)}


def teacher_folder(settings: RunSettings, data: Interactions, runs_dir: Path) -> RunFolder:
    """Where the teacher of these settings lives."""
    backbone, identity = settings.teacher.backbone, teacher_identity(settings, data)
    return RunFolder(runs_dir / f"teacher-{_label(data, backbone)}-s{settings.teacher_seed}-{identity}")


def scratch_folder(settings: RunSettings, data: Interactions, runs_dir: Path) -> RunFolder:
    """Where the student alone of these settings lives."""
    identity = student_identity(settings, data, None)
    return RunFolder(runs_dir / f"alone-{_label(data, settings.student)}-s{settings.seed}-{identity}")


def teacher(
    settings: RunSettings, data: Interactions, place: Place, *, keep_trajectory: bool = False
) -> dict[str, Any]:
    """The teacher's summary; trains it unless it is there, with its trajectory where that is wanted."""
    seed = settings.teacher_seed

    def make_task() -> Task:
        model = build_model(settings.teacher.backbone, data, seed=seed)
        title = f"teacher {_label(data, settings.teacher.backbone)}"
        identity = teacher_identity(settings, data)
        train = settings.teacher.train
        return Task(title, model, data, train, settings.eval, seed, identity, section="teacher.train")

    folder = teacher_folder(settings, data, place.runs_dir)
    return shared_run(folder, "teacher", settings, place, make_task, keep_trajectory=keep_trajectory)


def student_alone(settings: RunSettings, data: Interactions, place: Place, *, train: bool) -> dict[str, Any] | None:
    """The summary of the student trained without a teacher; None where it is not there and shall not be trained."""
    folder = scratch_folder(settings, data, place.runs_dir)
    if not train and not folder.is_complete():
        return None

    def make_task() -> Task:
        model = build_model(settings.student, data, seed=settings.student_start)
        title = f"student alone {_label(data, settings.student)}"
        identity = student_identity(settings, data, None)
        return Task(title, model, data, settings.train, settings.eval, settings.seed, identity)

    return shared_run(folder, "alone", settings, place, make_task)


def assistant_folder(settings: RunSettings, data: Interactions, runs_dir: Path, teacher_id: str) -> RunFolder:
    """Where the assistant of these settings, whose student is the assistant, and of this teacher lives."""
    identity = student_identity(settings, data, teacher_id)
    return RunFolder(runs_dir / f"assistant-{_label(data, settings.student)}-s{settings.seed}-{identity}")


def assistant(
    settings: RunSettings, data: Interactions, place: Place, teacher_id: str, knowledge: TeacherKnowledge
) -> dict[str, Any]:
    """The assistant's summary; distils it unless it is there."""

    def make_task() -> Task:
        method = build_method(settings.method, knowledge, data, seed=settings.seed)
        title = f"assistant {_label(data, settings.student)}"
        return student_task(settings, data, method, teacher_id, title)

    folder = assistant_folder(settings, data, place.runs_dir, teacher_id)
    return shared_run(folder, "assistant", settings, place, make_task)


def student_task(
    settings: RunSettings,
    data: Interactions,
    method: Method | None,
    teacher_id: str,
    title: str,
    *,
    keep_moments: bool = False,
) -> Task:
    """The distillation of a student, ready to train."""
    model = build_model(settings.student, data, seed=settings.student_start)
    identity = student_identity(settings, data, teacher_id)
    return Task(
        title,
        model,
        data,
        settings.train,
        settings.eval,
        settings.seed,
        identity,
        method,
        settings.method.weight,
        idle_epochs=settings.method.idle_epochs(),
        keep_moments=keep_moments,
    )


def load_model(folder: RunFolder, backbone: ModelSettings, data: Interactions, what: str) -> Backbone:
    """The trained model of a run, where the data is; on the CPU its weights stay in the file and are read page by page.

    InputError where they do not fit the dataset or the settings. what: how the message calls it.
    """
    weights, _ = folder.read_model()
    model = empty_model(backbone, data)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        raise InputError(
            f"{folder.model_file}: this {what} does not fit {data.name} ({data.n_users} users, {data.n_items} items): "
            f"it holds {found}; it was made for another dataset or with other settings"
        )
    model.load_state_dict(weights, assign=True)
    return model.to(data.device)


def _label(data: Interactions, backbone: ModelSettings) -> str:
    dim = getattr(backbone, "dim", "")
    return f"{data.name}-{backbone.model}{dim}"
