"""The main job: data → teacher → distilled student → evaluation. Each step is found if it was done before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rcekd import devices
from rcekd.config import RunSettings, Values, resolve, split_run_config
from rcekd.datasets import Interactions
from rcekd.errors import InputError, InterruptedRun
from rcekd.evaluation.ranking import evaluate_model
from rcekd.experiments import imported, runs, teaching
from rcekd.experiments.place import Place
from rcekd.experiments.summary import dataset_part, describe, model_part, versions
from rcekd.methods import build_method, check_needs
from rcekd.training.run_folder import RunFolder, named, next_free


def train_teacher(settings: RunSettings, place: Place, *, keep_trajectory: bool = False) -> dict[str, Any]:
    """Train the teacher of these settings, or find it. Returns its summary.

    keep_trajectory: keep the model at some moments of its training too, for methods that need them (HetComp).
    """
    data = place.data(settings)
    with _resumable(runs.teacher_folder(settings, data, place.runs_dir)):
        return runs.teacher(settings, data, place, keep_trajectory=keep_trajectory)


def train_alone(settings: RunSettings, place: Place) -> dict[str, Any]:
    """Train the student of these settings without a teacher, or find it. Returns its summary."""
    data = place.data(settings)
    with _resumable(runs.scratch_folder(settings, data, place.runs_dir)):
        return runs.student_alone(settings, data, place, train=True) or {}


def distill(
    settings: RunSettings,
    place: Place,
    *,
    with_scratch: bool = False,
    teacher_dirs: Sequence[Path] = (),
    keep_trajectory: bool = False,
) -> dict[str, Any]:
    """Distil a student in a new run folder, waiting while another process trains its teacher. Returns its summary.

    with_scratch: train the student alone too, for comparison; otherwise it is shown only if it is there.
    teacher_dirs: run folders to take the teacher from, instead of the settings' own; several are mixed.
    keep_trajectory: keep the student at some moments of its training too, for `rcekd analyze`.
    """
    folder = prepare(
        settings, place, with_scratch=with_scratch, teacher_dirs=teacher_dirs, keep_trajectory=keep_trajectory
    )
    data = place.data(settings)
    return runs.once_free(lambda: _distill_in(folder, data, place), str(folder.path), place)


def prepare(
    settings: RunSettings,
    place: Place,
    *,
    with_scratch: bool = False,
    teacher_dirs: Sequence[Path] = (),
    run_dir: Path | None = None,
    keep_trajectory: bool = False,
) -> RunFolder:
    """A new run folder with all that `resume` needs to distil in it; nothing is trained yet.

    teacher_dirs: as in `distill`; the folder's settings say of their teacher what that run's own say.
    run_dir: the folder; None: one beside the other runs, with a number of its own.
    """
    data = place.data(settings)
    settings.method.check_catalogue(data)
    for backbone in (settings.student, *(() if teacher_dirs else (settings.teacher.backbone,))):
        backbone.reads_times(data)  # what this refuses is refused now, not when a teacher has been trained
    given = [teaching.check_given(RunFolder(path), data)[1]["model"] for path in teacher_dirs]
    teacher = "+".join(dict.fromkeys(given)) or settings.teacher.backbone.model
    stem = f"distill-{data.name}-{teacher}-{settings.student.model}-{settings.method.name}"
    folder = RunFolder(run_dir or next_free(place.runs_dir, f"{stem}-s{settings.seed}"))
    settings = teaching.adopted(settings, teacher_dirs)
    own: dict[str, Any] = {"kind": "distill", "with_scratch": with_scratch}
    own |= {"keep_trajectory": True} if keep_trajectory else {}
    own |= {"teacher_dirs": [str(path.resolve()) for path in teacher_dirs]} if teacher_dirs else {}
    folder.create(own | settings.to_values())
    return folder


def resume(run_dir: Path, place: Place) -> dict[str, Any]:
    """Go on with the run in a folder, of whatever kind; a finished one is only read. Returns its summary."""
    run_dir = named(run_dir)
    folder = RunFolder(run_dir)
    own, config = split_run_config(folder.read_config())
    kind = own.get("kind")
    settings = resolve([(str(folder.config_file), config)])
    data = place.data(settings)
    place = replace(place, runs_dir=run_dir.parent)  # where the run finds its teacher
    if kind == "distill":
        if folder.is_complete():
            return runs.finished(folder)
        return _distill_in(folder, data, place)
    if kind not in ("teacher", "alone"):
        raise InputError(f"{folder.config_file}: not the settings of a run (kind: {kind!r})")
    expected = (runs.teacher_folder if kind == "teacher" else runs.scratch_folder)(settings, data, run_dir.parent)
    if expected.path.resolve() != run_dir.resolve():
        raise InputError(f"{run_dir}: its settings or data have changed since it was started; start a new run")
    with _resumable(folder):
        if kind == "teacher":
            return runs.teacher(settings, data, place, keep_trajectory=bool(own.get("keep_trajectory")))
        return runs.student_alone(settings, data, place, train=True) or {}


def evaluate_run(run_dir: Path, place: Place, overrides: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Evaluate the model of a finished run again, by another protocol where given. Returns a summary.

    overrides: settings under `eval`, and where the files of `data.features` lie now; InputError for any other.
    """
    _check_protocol(overrides)
    folder = RunFolder(run_dir)
    own, config = split_run_config(folder.read_config())
    settings = resolve([(str(folder.config_file), config), *overrides])
    data = place.data(settings)
    stored = folder.read_summary()
    place.memory.restart()
    teaching.check_same_data(stored, data, folder, read_as_told=True)
    if own.get("kind") == "imported":
        found = {key: stored[key] for key in ("model", "dim", "parameters")}
        found |= imported.metrics(imported.load(folder, data), data, settings.eval)
    else:
        backbone = settings.teacher.backbone if own.get("kind") == "teacher" else settings.student
        model = runs.load_model(folder, backbone, data, "model")
        found = {**describe(model), **evaluate_model(model, data, settings.eval)}
    kept = ("seed", "epochs", "best_epoch", "seconds_per_epoch", "identity")
    return {
        "kind": "evaluate",
        "run_dir": str(run_dir),
        "dataset": dataset_part(data),
        **{key: stored[key] for key in kept},
        **found,
        "device": devices.describe(place.device),
        "peak_rss_bytes": place.memory.overall(),
        "protocol": settings.eval.model_dump(mode="json"),
        "versions": versions(),
    }


def _check_protocol(overrides: list[tuple[str, Values]]) -> None:
    """InputError where settings say more than how to judge a model that is made already."""
    for name, values in overrides:
        for key, value in values.items():
            moved = key == "data" and isinstance(value, dict) and value.keys() == {"features"}
            if key != "eval" and not moved:
                raise InputError(f"{name}: the model is trained already, so evaluate takes only eval.… settings")


def _distill_in(folder: RunFolder, data: Interactions, place: Place) -> dict[str, Any]:
    """Distil in a folder that `prepare` has made, as its config.yaml asks."""
    with _resumable(folder):
        folder.lock()
        try:
            # Read now that nobody else can change it, or be finishing it.
            own, config = split_run_config(folder.read_config())
            if folder.is_complete():
                return runs.finished(folder)
            settings = resolve([(str(folder.config_file), config)])
            return _distill_locked(folder, own, settings, data, place)
        finally:
            folder.unlock()


def _distill_locked(
    folder: RunFolder, own: Values, settings: RunSettings, data: Interactions, place: Place
) -> dict[str, Any]:
    teacher_dirs = [Path(path) for path in own.get("teacher_dirs", [])]
    teacher = teaching.find_or_train(settings, data, place, teacher_dirs)
    if "trajectory" in settings.method.needs():
        _check_moments(teacher_dirs or [runs.teacher_folder(settings, data, place.runs_dir).path])
    check_needs(settings.method, teacher.knowledge)
    teaching.check_assistant(teacher, settings)
    scratch = runs.student_alone(settings, data, place, train=bool(own.get("with_scratch")))
    tutor = teaching.assisted(teacher, settings, data, place)  # the assistant where there is one, else the teacher
    method = build_method(settings.method, tutor.knowledge, data, seed=settings.seed)
    title = f"{settings.method.name} {data.name} → {settings.student.model}"
    identity, keep = tutor.summary["identity"], bool(own.get("keep_trajectory"))
    task = runs.student_task(settings, data, method, identity, title, keep_moments=keep)
    extra = {"teacher": model_part(teacher.summary) | {"temperatures": [teacher.temperature]}}
    extra |= {"method": settings.method.model_dump(mode="json", by_alias=True)}
    extra |= {"alone": model_part(scratch)} if scratch else {}
    extra |= {"assistant": model_part(tutor.summary)} if tutor is not teacher else {}
    return runs.train_in(folder, "distill", task, settings, place, extra)


def _check_moments(teacher_dirs: Sequence[Path]) -> None:
    """InputError where a teacher was trained with its trajectory, and has none before its best epoch."""
    for folder in map(RunFolder, teacher_dirs):
        if not folder.keeps_trajectory() or folder.trajectory.epochs():
            continue
        first = folder.read_summary()["best_epoch"] == 0
        remedy = "lower teacher.train.learning_rate" if first else f"delete {folder.path} and train it again"
        raise InputError(
            f"{folder.path}: this teacher has no moment of its training from before its best epoch, "
            f"{'the first' if first else 'an early one'}, to teach from; {remedy}"
        )


@contextmanager
def _resumable(folder: RunFolder) -> Iterator[None]:
    """Let an interruption say which folder to go on with: a student's, even where its teacher was being trained."""
    try:
        yield
    except InterruptedRun as stopped:
        raise InterruptedRun(f"{stopped}; go on with --resume {folder.path}") from stopped
