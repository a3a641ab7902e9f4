"""The layers that a run's settings come from: the dataset's preset below, what was given above it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rcekd import methods, models
from rcekd.config import RunSettings, Values, merge, preset, resolve
from rcekd.datasets import CATALOG
from rcekd.errors import InputError

DEFAULT_DATASET = "ml-100k"
# Settings of a method that mean the same under each of its variants.
SHARED_BY_VARIANTS = ("name", "lambda", "K", "L", "beta", "tau", "logit_tau", "mask")

Layer = tuple[str, Values]
"""Where values come from, as a user would call it, and the values."""


def run_settings(
    dataset: str,
    *,
    teacher: str = "mf",
    student: str = "mf",
    method: str = "rcekd",
    seed: int = 0,
    sets: Mapping[str, Any] = MappingProxyType({}),
) -> RunSettings:
    """What `rcekd distill --dataset … --set key=value` resolves to, preset included.

    sets: values by dotted key, e.g. {"student.dim": 16, "method.lambda": 50}. InputError names a wrong key.
    """
    given = [(f"{key}={value!r}", nested({key: value})) for key, value in sets.items()]
    flags: Values = {
        "dataset": dataset,
        "teacher": {"model": teacher},
        "student": {"model": student},
        "method": {"name": method},
        "seed": seed,
    }
    return resolve(with_preset(given, flags))


def nested(point: Mapping[str, Any]) -> Values:
    """{"method.lambda": 3} as {"method": {"lambda": 3}}."""
    values: Values = {}
    for key, value in point.items():
        inner: Any = value
        for part in reversed(key.split(".")):
            inner = {part: inner}
        values = merge(values, inner)
    return values


def with_preset(given: list[Layer], flags: Values) -> list[Layer]:
    """Every layer in rising order of precedence: the preset, `given`, and the flags, for config.resolve.

    Dataset, teacher, student and method, which choose the preset, may stand in any layer. InputError for unknown names.
    """
    asked: Values = {}
    for _, values in [*given, ("", flags)]:
        asked = merge(asked, values)
    dataset = lasting(str(asked.get("dataset", DEFAULT_DATASET)))
    names = {
        "teacher": _name(asked, "teacher", "model", "mf"),
        "student": _name(asked, "student", "model", "mf"),
        "method": _name(asked, "method", "name", "rcekd"),
    }
    models.find(names["teacher"]), models.find(names["student"])
    names["method"] = methods.check_name(names["method"])
    chosen = _fitting(preset(dataset, **names), asked)
    flags = {**flags, "dataset": dataset, "method": {"name": names["method"]}}
    return [("the preset", chosen), *given, ("the flags", flags)]


def _name(asked: Values, room: str, field: str, default: str) -> str:
    value = asked.get(room, {})
    if not isinstance(value, dict):
        raise InputError(f"setting {room}: expected a group of settings, e.g. {room}.{field}={default}, not {value!r}")
    return str(value.get(field, default))


def lasting(dataset: str) -> str:
    """A path made absolute, so that a run can be resumed from another folder; a name as it is."""
    return dataset if not dataset or dataset in CATALOG or not Path(dataset).exists() else str(Path(dataset).resolve())


def _fitting(chosen: Values, asked: Values) -> Values:
    """The preset, without the method settings it tuned for another variant than the one asked for."""
    return {**chosen, "method": _of_variant(chosen["method"], asked.get("method"))} if "method" in chosen else chosen


def _of_variant(method: Values, asked: Any) -> Values:
    """The same for a method's own settings, or those of each part of a combination."""
    given = asked if isinstance(asked, dict) else {}
    variant = given.get("variant")
    if variant is not None and method.get("variant", variant) != variant:
        return {key: value for key, value in method.items() if key in SHARED_BY_VARIANTS}
    return {
        key: _of_variant(value, given.get(key)) if isinstance(value, dict) else value for key, value in method.items()
    }
