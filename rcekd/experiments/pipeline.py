"""The main job: data → teacher → distilled student → evaluation. Each step is found if it was done before."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rcekd.config import RunSettings, resolve, split_run_config
from rcekd.datasets import Interactions
from rcekd.errors import InputError, InterruptedRun
from rcekd.evaluation.ranking import evaluate
from rcekd.experiments import runs
from rcekd.experiments.place import Place
from rcekd.experiments.summary import dataset_part, describe, model_part, versions
from rcekd.methods import build_method
from rcekd.models import Backbone
from rcekd.teachers import FactorTeacher
from rcekd.training.run_folder import RunFolder, next_free


def train_teacher(settings: RunSettings, place: Place) -> dict[str, Any]:
    """Train the teacher of these settings, or find it. Returns its summary."""
    data = place.data(settings)
    with _resumable(runs.teacher_folder(settings, data, place.runs_dir)):
        return runs.teacher(settings, data, place)


def distill(
    settings: RunSettings, place: Place, *, with_scratch: bool = False, teacher_dir: Path | None = None
) -> dict[str, Any]:
    """Distil a student in a new run folder. Returns its summary.

    with_scratch: train the student alone too, for comparison; otherwise it is shown only if it is there.
    teacher_dir: a run folder to take the teacher from, instead of the settings' own.
    """
    data = place.data(settings)
    settings.method.check_catalogue(data)
    if teacher_dir is not None:
        _given_teacher(RunFolder(teacher_dir), data)
    stem = f"distill-{data.name}-{settings.teacher.backbone.model}-{settings.student.model}-{settings.method.name}"
    folder = RunFolder(next_free(place.runs_dir, f"{stem}-s{settings.seed}"))
    config = {"kind": "distill", "with_scratch": with_scratch, **settings.to_values()}
    folder.create(config | ({"teacher_dir": str(teacher_dir.resolve())} if teacher_dir else {}))
    with _resumable(folder):
        return _distill_in(folder, settings, data, place, with_scratch, teacher_dir)


def resume(run_dir: Path, place: Place) -> dict[str, Any]:
    """Go on with the run in a folder, of whatever kind; a finished one is only read. Returns its summary."""
    folder = RunFolder(run_dir)
    own, config = split_run_config(folder.read_config())
    kind, with_scratch, teacher_dir = own.get("kind"), bool(own.get("with_scratch")), own.get("teacher_dir")
    settings = resolve([(str(folder.config_file), config)])
    data = place.data(settings)
    place = replace(place, runs_dir=run_dir.parent)  # where the run finds its teacher
    if kind == "distill":
        if folder.is_complete():
            return runs.finished(folder)
        teacher_path = Path(teacher_dir) if teacher_dir else None
        with _resumable(folder):
            return _distill_in(folder, settings, data, place, with_scratch, teacher_path)
    if kind not in ("teacher", "alone"):
        raise InputError(f"{folder.config_file}: not the settings of a run (kind: {kind!r})")
    expected = (runs.teacher_folder if kind == "teacher" else runs.scratch_folder)(settings, data, run_dir.parent)
    if expected.path.resolve() != run_dir.resolve():
        raise InputError(f"{run_dir}: its settings or data have changed since it was started; start a new run")
    with _resumable(folder):
        summary = runs.teacher(settings, data, place) if kind == "teacher" else None
        return summary or runs.student_alone(settings, data, place, train=True) or {}


def evaluate_run(run_dir: Path, place: Place, overrides: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Evaluate the model of a finished run again, under other settings where given. Returns a summary."""
    folder = RunFolder(run_dir)
    own, config = split_run_config(folder.read_config())
    settings = resolve([(str(folder.config_file), config), *overrides])
    data = place.data(settings)
    stored = folder.read_summary()
    place.memory.restart()
    backbone = settings.teacher.backbone if own.get("kind") == "teacher" else settings.student
    _check_same_data(stored, data, folder)
    model = runs.load_model(folder, backbone, data, "model")
    kept = ("seed", "epochs", "best_epoch", "seconds_per_epoch", "identity")
    return {
        "kind": "evaluate",
        "run_dir": str(run_dir),
        "dataset": dataset_part(data),
        **{key: stored[key] for key in kept},
        **describe(model),
        **evaluate(model.tables(), data, settings.eval),
        "peak_rss_bytes": place.memory.overall(),
        "protocol": settings.eval.model_dump(mode="json"),
        "versions": versions(),
    }


def _distill_in(
    folder: RunFolder,
    settings: RunSettings,
    data: Interactions,
    place: Place,
    with_scratch: bool,
    teacher_dir: Path | None,
) -> dict[str, Any]:
    folder.lock()
    try:
        teacher, teacher_model = _teacher(settings, data, place, teacher_dir)
        scratch = runs.student_alone(settings, data, place, train=with_scratch)
        knowledge = FactorTeacher(teacher_model.tables(), model=teacher_model)
        method = build_method(settings.method, knowledge, data, seed=settings.seed)
        title = f"{settings.method.name} {data.name} → {settings.student.model}"
        task = runs.student_task(settings, data, method, teacher["identity"], title)
        extra = {"teacher": model_part(teacher), "method": settings.method.model_dump(mode="json", by_alias=True)}
        extra |= {"alone": model_part(scratch)} if scratch else {}
        return runs.train_in(folder, "distill", task, settings, place, extra)
    finally:
        folder.unlock()


@contextmanager
def _resumable(folder: RunFolder) -> Iterator[None]:
    """Let an interruption say which folder to go on with: a student's, even where its teacher was being trained."""
    try:
        yield
    except InterruptedRun as stopped:
        raise InterruptedRun(f"{stopped}; go on with --resume {folder.path}") from stopped


def _teacher(
    settings: RunSettings, data: Interactions, place: Place, teacher_dir: Path | None
) -> tuple[dict[str, Any], Backbone]:
    """The teacher's summary and its trained model."""
    if teacher_dir is None:
        summary = runs.teacher(settings, data, place)
        folder = runs.teacher_folder(settings, data, place.runs_dir)
        return summary, runs.load_model(folder, settings.teacher.backbone, data, "teacher")
    folder = RunFolder(teacher_dir)
    read, summary = _given_teacher(folder, data)
    own, config = split_run_config(read)
    theirs = resolve([(str(folder.config_file), config)])
    backbone = theirs.teacher.backbone if own.get("kind") == "teacher" else theirs.student
    return summary, runs.load_model(folder, backbone, data, "teacher")


def _given_teacher(folder: RunFolder, data: Interactions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and summary of a teacher's run. InputError unless it has finished and belongs to this data."""
    config, summary = folder.read_config(), folder.read_summary()
    _check_same_data(summary, data, folder)
    return config, summary


def _check_same_data(summary: dict[str, Any], data: Interactions, folder: RunFolder) -> None:
    made_for = summary["dataset"]
    if made_for["fingerprint"] != data.fingerprint:
        raise InputError(
            f"{folder.path}: this model was made for other data ({made_for['name']}, split {made_for['split']}, "
            f"{made_for['users']} users × {made_for['items']} items), not for {data.name}, split {data.split}"
        )
