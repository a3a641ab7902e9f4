"""A teacher made outside as a run folder like any other: `imported-DATASET-NAME-DIGEST`, found again by its bytes."""

from pathlib import Path
from typing import Any

from rcekd.config import RunSettings
from rcekd.datasets import Interactions
from rcekd.datasets.download import file_sha256
from rcekd.evaluation.ranking import CUTOFFS, EvalSettings, average, evaluate, mask_of_test, per_user
from rcekd.experiments.identity import as_before, digest
from rcekd.experiments.place import Place
from rcekd.experiments.runs import finished
from rcekd.experiments.summary import dataset_part, versions
from rcekd.kernels.csr import CSR
from rcekd.teachers import TeacherKnowledge
from rcekd.teachers.importing import ImportRequest
from rcekd.teachers.importing.build import Built, Temperature, build, knowledge, refuse_lacking
from rcekd.teachers.lists import ListTeacher
from rcekd.training.run_folder import RunFolder

# Raised when the same files would be imported to other tables than before.
VERSION = 5


def import_teacher(
    settings: RunSettings,
    place: Place,
    request: ImportRequest,
    *,
    name: str | None = None,
    temperature: Temperature = "auto",
    max_missing: float = 0.05,
) -> dict[str, Any]:
    """Import a teacher for the dataset of the settings, or find it. Returns its summary.

    name: part of the folder's name, else that of the first file. Settings of models, methods and training play no part.
    """
    data = place.data(settings)
    files = request.all_files()
    told = {
        "files": {role: str(path) for role, path in files.items()},
        "sha256": {role: file_sha256(path) for role, path in files.items()},
        **{key: value for key, value in request.options().items() if value is not None},
        "temperature": temperature,
    }
    own = {key: value for key, value in settings.to_values().items() if key in ("dataset", "seed", "data", "eval")}
    depends = {key: value for key, value in told.items() if key != "files"}
    identity = digest(
        as_before(
            {"kind": "imported", "import": VERSION, "data": data.fingerprint, "eval": own["eval"], "source": depends}
        )
    )
    label = _plain(name or request.files[0].stem)
    folder = RunFolder(place.runs_dir / f"imported-{data.name}-{label}-{identity}")
    if folder.is_complete():
        summary = finished(folder)
        refuse_lacking(summary["imported"], data, folder.path, max_missing)
        return summary
    place.memory.restart()
    built = build(request, data, temperature=temperature, max_missing=max_missing)
    teacher = knowledge(built.weights, data, folder.path)
    judged = metrics(teacher, data, settings.eval)
    if isinstance(teacher, ListTeacher):
        built.report["lists"]["short"] = _short(teacher, data)
    folder.create({"kind": "imported", "imported": told, **own})
    folder.lock()
    try:
        folder.write_model(built.weights, {"kind": "imported", "identity": identity})
        summary = _summary(folder, settings, data, built, judged, place) | {"identity": identity}
        folder.write_summary(summary)
        return summary
    finally:
        folder.unlock()


def load(folder: RunFolder, data: Interactions) -> TeacherKnowledge:
    """The imported teacher in a run folder, where the data is; its scores are already divided by its temperature."""
    weights, _ = folder.read_model()
    return knowledge({name: tensor.to(data.device) for name, tensor in weights.items()}, data, folder.model_file)


def metrics(teacher: TeacherKnowledge, data: Interactions, settings: EvalSettings) -> dict[str, dict[str, float]]:
    """Valid and test; a list teacher is judged by its lists, which hold all that a top 20 needs."""
    if not isinstance(teacher, ListTeacher):
        return evaluate(teacher.tables, data, settings)

    def judged(excluded: CSR, targets: CSR) -> dict[str, float]:
        item_UN = teacher.top_items(min(max(CUTOFFS), teacher.length), excluded)
        return average(per_user(item_UN, targets), targets, settings.users)

    return {
        "valid": judged(data.seen, data.valid_targets),
        "test": judged(mask_of_test(data, settings), data.test_targets),
    }


def _summary(
    folder: RunFolder,
    settings: RunSettings,
    data: Interactions,
    built: Built,
    judged: dict[str, dict[str, float]],
    place: Place,
) -> dict[str, Any]:
    return {
        "kind": "imported",
        "run_dir": str(folder.path),
        "dataset": dataset_part(data),
        "seed": settings.seed,
        "epochs": 0,
        "best_epoch": -1,
        "seconds_per_epoch": 0.0,
        "peak_rss_bytes": place.memory.overall(),
        "training_peak_rss_bytes": place.memory.phase(),
        "protocol": settings.eval.model_dump(mode="json"),
        **judged,
        "versions": versions(),
        "model": "imported",
        "dim": built.weights["item" if "item" in built.weights else "item_UN"].shape[1],
        "parameters": sum(tensor.numel() for tensor in built.weights.values()),
        "imported": built.report,
    }


def _short(teacher: ListTeacher, data: Interactions) -> float:
    """Share of users whose list has fewer than 20 items left once their training items are out."""
    left_UN = teacher.top_items(min(max(CUTOFFS), teacher.length), data.seen)
    return float(((left_UN >= 0).sum(1) < max(CUTOFFS)).double().mean())


def _plain(name: str) -> str:
    """A name that is safe in a folder's name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in Path(name).name) or "teacher"
