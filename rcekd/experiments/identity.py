"""What makes two runs the same: a digest of everything that their weights depend on."""

import hashlib
import json
from typing import Any

from rcekd.config import RunSettings
from rcekd.datasets import Interactions
from rcekd.models import ModelSettings

# Raised when the same settings would train to other weights than before.
VERSION = 1


# Settings that came later, at what was done before them: so set, they leave an identity as it was without them.
ADDED: dict[str, Any] = {
    "eval.history": "train",
    "teacher.temperature": 1.0,
    "teacher.time_bias": False,
    "student.time_bias": False,
    "teacher.train.optimizer": "adam",
    "train.optimizer": "adam",
}

WITHOUT_EFFECT = {"teacher.train.cuda_graph", "train.cuda_graph"}
"""Settings that came later and change nothing but the time that a run takes."""


def as_before(values: dict[str, Any]) -> dict[str, Any]:
    """Plain values of settings without those that say nothing new."""
    return _without_usual(values, "")


def _without_usual(values: dict[str, Any], above: str) -> dict[str, Any]:
    return {
        name: _without_usual(value, f"{above}{name}.") if isinstance(value, dict) else value
        for name, value in values.items()
        if not _is_usual(f"{above}{name}", value)
    }


def _is_usual(key: str, value: Any) -> bool:
    return key in WITHOUT_EFFECT or (key in ADDED and ADDED[key] == value)


def digest(values: dict[str, Any]) -> str:
    """Hex digest of plain values, whatever the order of their keys."""
    text = json.dumps({"version": VERSION, **values}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def teacher_identity(settings: RunSettings, data: Interactions) -> str:
    """Of the teacher: its model, training, seed, the data, and how its epochs are judged."""
    values = as_before(settings.to_values())
    own = {key: value for key, value in values["teacher"].items() if key not in ("mix", "temperature", "time_bias")}
    teacher = {**own, "seed": settings.teacher_seed, "train": _training(own["train"])}
    read = _read(settings.teacher.backbone, data)
    return digest({"kind": "teacher", "data": data.fingerprint, **read, "teacher": teacher, "eval": values["eval"]})


def student_identity(settings: RunSettings, data: Interactions, teacher: str | None) -> str:
    """Of a student; `teacher` is its teacher's identity, None for a student alone."""
    values = as_before(settings.to_values())
    student = {key: value for key, value in values["student"].items() if key != "time_bias"}
    own = {"student": student, "seed": values["seed"], "eval": values["eval"], "train": _training(values["train"])}
    marks = renewed(settings)
    if teacher is None:
        marks.pop("temperature_on", None)
    own |= marks
    if teacher is not None:
        own |= {"method": values["method"], "teacher": teacher}
        if "temperature" in values["teacher"]:
            own["temperature"] = values["teacher"]["temperature"]
    return digest({"kind": "student", "data": data.fingerprint, **_read(settings.student, data), **own})


def renewed(settings: RunSettings) -> dict[str, Any]:
    """What tells a student from one of an earlier version, which the same settings trained to other weights."""
    marks: dict[str, Any] = {}
    if settings.student_start != settings.seed:
        marks["start"] = settings.student_start
    if settings.teacher.temperature != 1.0 and "factors" in settings.method.needs():
        marks["temperature_on"] = "both sides"
    return marks


def features_read(backbone: ModelSettings, data: Interactions) -> dict[str, str]:
    """Digests by modality of the item features that a model depends on; none for a model that reads none."""
    return {name: found.digest for name, found in data.features.items()} if backbone.READS_FEATURES else {}


def times_read(backbone: ModelSettings, data: Interactions) -> str | None:
    """Digest of the times of interactions, where a model depends on them. InputError where it would but cannot."""
    return data.times.digest if backbone.reads_times(data) and data.times is not None else None


def _read(backbone: ModelSettings, data: Interactions) -> dict[str, Any]:
    """What of the data a model depends on beside the fingerprint; that it reads times stands for the setting."""
    features, times = features_read(backbone, data), times_read(backbone, data)
    # Runs of an earlier version kept their first epoch where there was nothing to choose one by.
    kept = {} if data.is_validated else {"kept": "last"}
    return ({"features": features} if features else {}) | ({"times": times} if times else {}) | kept


def _training(train: dict[str, Any]) -> dict[str, Any]:
    """Without what does not touch the weights."""
    return {key: value for key, value in train.items() if key != "checkpoint_seconds"}
