"""The layers that a run's settings come from: the dataset's preset below, what was given above it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rcekd import methods, models
from rcekd.config import RunSettings, Values, merge, preset, resolve
from rcekd.datasets import CATALOG
from rcekd.datasets.source import lasting_path
from rcekd.errors import InputError

DEFAULT_DATASET = "ml-100k"

NAMED_BY = {"teacher": "model", "student": "model", "method": "name"}
"""Groups of settings, and the field of each that says whose settings they are."""

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

    Dataset, teacher, student and method, which choose the preset, may stand in any layer. What a layer gives a model or
    method that a later one exchanges goes with it, and a layer that changes the method's variant takes the former one's
    defaults from those below. InputError for unknown names.
    """
    names = names_in([*given, ("the flags", flags)])
    dataset = lasting(names.dataset)
    models.find(names.teacher), models.find(names.student)
    method = methods.check_name(names.method)
    flags = {**flags, "dataset": dataset, "method": {"name": method}}
    kept = [(name, _of_those_named(values, names._replace(method=method))) for name, values in given]
    layers = [("the preset", preset(dataset, names.teacher, names.student, method)), *kept, ("the flags", flags)]
    return of_one_variant(layers, method)


class Names(NamedTuple):
    """What chooses the preset."""

    dataset: str
    teacher: str
    student: str
    method: str


def names_in(given: list[Layer], *, method: str = "rcekd") -> Names:
    """What layers name, the last word of each, and what stands where they say nothing. method: that of the method."""
    asked: Values = {}
    for name, values in given:
        _check_groups(name, values)
        asked = merge(asked, values)
    return Names(
        str(asked.get("dataset", DEFAULT_DATASET)),
        str(asked.get("teacher", {}).get("model", "mf")),
        str(asked.get("student", {}).get("model", "mf")),
        str(asked.get("method", {}).get("name", method)),
    )


def _check_groups(layer: str, values: Values) -> None:
    """InputError where a layer puts a single value in the place of a group, which would wipe what stands below."""
    for room, field in NAMED_BY.items():
        value = values.get(room, {})
        if not isinstance(value, Mapping):
            example = f"{room}.{field}={'rcekd' if room == 'method' else 'mf'}"
            raise InputError(
                f"setting {room} (from {layer}): expected a group of settings, e.g. {example}, not {value!r}"
            )


def _of_those_named(values: Values, names: Names) -> Values:
    """`values`, without the groups that name another model or method than the one that is trained."""
    chosen = names._asdict()

    def is_meant(room: str, group: Any) -> bool:
        if room not in NAMED_BY:
            return True
        written = str(group.get(NAMED_BY[room], chosen[room]))
        return bool(methods.ALIASES.get(written, written) == chosen[room])

    return {room: group for room, group in values.items() if is_meant(room, group)}


def lasting(dataset: str) -> str:
    """A path made absolute, so that a run can be resumed from another folder; a name as it is."""
    return (
        dataset if not dataset or dataset in CATALOG or not Path(dataset).exists() else str(lasting_path(Path(dataset)))
    )


def of_one_variant(layers: list[Layer], method: str) -> list[Layer]:
    """The layers, each without the defaults of another variant than the last one asked for, of the method or a part.

    A preset or a run's config.yaml gives a variant and what follows from it together; what a layer gives without a
    variant is meant under any.
    """
    parts = methods.part_names(method)
    for part in parts:
        path = ["method"] if len(parts) == 1 else ["method", part]
        variant = [group["variant"] for _, values in layers if "variant" in (group := _group(values, path))]
        if variant:
            keys = methods.find(part).settings.variant_keys()
            layers = [(name, _of_variant(values, path, variant[-1], keys)) for name, values in layers]
    return layers


def _group(values: Values, path: list[str]) -> Values:
    """The settings that stand under the keys of `path`; {} where there are none."""
    for key in path:
        inner = values.get(key)
        values = inner if isinstance(inner, dict) else {}
    return values


def _of_variant(values: Values, path: list[str], variant: Any, keys: frozenset[str]) -> Values:
    """`values`, without those of `keys` under `path` that stand there beside another variant."""
    if not path:
        if values.get("variant", variant) == variant:
            return values
        return {key: value for key, value in values.items() if key not in keys}
    room, *rest = path
    inner = values.get(room)
    return {**values, room: _of_variant(inner, rest, variant, keys)} if isinstance(inner, dict) else values
