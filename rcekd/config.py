"""The settings of a run, resolved once: defaults, then the dataset's preset, a --config file, --set, and the flags."""

from collections.abc import Mapping
from copy import deepcopy
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, PositiveFloat, SerializeAsAny, ValidationError, field_validator, model_validator

from rcekd import methods, models, yaml_text
from rcekd.datasets import CATALOG
from rcekd.datasets.settings import DataSettings
from rcekd.errors import InputError, UnknownSetting, nearest
from rcekd.evaluation.ranking import EvalSettings
from rcekd.methods import MethodSettings, RCEKDSettings
from rcekd.models import ModelSettings
from rcekd.settings import Settings
from rcekd.streams import stream_seed
from rcekd.training.settings import TrainSettings

Values = dict[str, Any]
# Keys of a run folder's config.yaml that are no settings: what kind of run it is, and what was asked of it.
RUN_KEYS = ("kind", "with_scratch", "teacher_dirs", "keep_trajectory", "imported")
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class TeacherSettings(Settings):
    """The teacher: its model's own settings beside `train` and `seed`."""

    backbone: SerializeAsAny[ModelSettings]
    train: TrainSettings = TrainSettings()
    seed: Seed | None = Field(default=None, description="None: the run's seed")
    mix: Literal["average", "per-user"] = Field(
        default="average", description="several teachers: mean of their scores, or per user the best on validation"
    )
    temperature: PositiveFloat | Literal["auto"] = Field(
        default=1.0,
        description="what the scores that teach are divided by; auto: what makes the validation items most likely",
    )


class RunSettings(Settings):
    """Everything a run depends on."""

    dataset: str = Field(description="name of a known dataset, or a path")
    seed: Seed = Field(default=0, description="seed of initialisation, order, negatives and draws")
    data: DataSettings = DataSettings()
    teacher: TeacherSettings
    student: SerializeAsAny[ModelSettings]
    method: SerializeAsAny[MethodSettings] = RCEKDSettings()
    train: TrainSettings = Field(default=TrainSettings(), description="the student's training")
    eval: EvalSettings = EvalSettings()

    @property
    def teacher_seed(self) -> int:
        return self.seed if self.teacher.seed is None else self.teacher.seed

    @property
    def student_start(self) -> int:
        """Seed of the student's first values. A student as wide as its teacher would start where the teacher started,
        from the same numbers, and training leaves much of that; it has a seed of its own.
        """
        alike = self.student.dim == self.teacher.backbone.dim and self.seed == self.teacher_seed
        return stream_seed(self.seed, "student", 0) if alike else self.seed

    @model_validator(mode="after")
    def _time_to_distil(self) -> "RunSettings":
        idle = self.method.idle_epochs()
        if idle and idle >= self.train.epochs:
            raise ValueError(
                f"the method begins after {idle} epochs, and train.epochs={self.train.epochs} ends before; "
                "raise it, or lower the method's warm_up"
            )
        return self

    @field_validator("student", mode="before")
    @classmethod
    def _student(cls, value: Any) -> Any:
        return model_settings(value) if isinstance(value, Mapping) else value

    @field_validator("method", mode="before")
    @classmethod
    def _method(cls, value: Any) -> Any:
        return methods.method_settings(value) if isinstance(value, Mapping) else value

    @field_validator("teacher", mode="before")
    @classmethod
    def _teacher(cls, value: Any) -> Any:
        """Accept the teacher's model settings beside its own: {model, dim, …, train, seed}."""
        if not isinstance(value, Mapping) or isinstance(value.get("backbone"), ModelSettings):
            return value
        own = {key: value[key] for key in ("train", "seed", "mix", "temperature") if key in value}
        return {"backbone": model_settings({k: v for k, v in value.items() if k not in own}), **own}

    def to_values(self) -> Values:
        """Plain values of every setting, by the keys that a user writes."""
        values: Values = self.model_dump(mode="json", by_alias=True)
        backbone = values["teacher"].pop("backbone")
        values["teacher"] = {**backbone, **values["teacher"]}
        return values


def model_settings(value: Mapping[str, Any]) -> ModelSettings:
    """The settings of the backbone that `value["model"]` names."""
    return models.find(str(value.get("model", "mf"))).settings.model_validate(value)


def resolve(layers: list[tuple[str, Values]]) -> RunSettings:
    """Merge layers, later over earlier, and validate. InputError names the key, its layer and what would be right."""
    merged: Values = {"teacher": {"model": "mf"}, "student": {"model": "mf"}}
    for _, values in layers:
        merged = merge(merged, values)
    if isinstance(merged["teacher"], dict):
        large = dict(models.find(str(merged["teacher"].get("model", "mf"))).settings.TEACHER)
        merged["teacher"] = merge(large, merged["teacher"])
    try:
        return RunSettings.model_validate(merged, by_name=False)
    except ValidationError as error:
        kind = UnknownSetting if error.errors()[0]["type"] == "extra_forbidden" else InputError
        raise kind(_explain(error, layers)) from error


def merge(base: Values, over: Values) -> Values:
    """`base` with the nested keys of `over` put in their places; neither is changed."""
    result = deepcopy(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], dict(value))
        else:
            result[key] = deepcopy(value)
    return result


def parse_assignment(text: str) -> Values:
    """`a.b=value` as nested keys; the value is YAML, so 3, 0.5, true, null and [1, 2] are what they look like."""
    key, equals, raw = text.partition("=")
    if not equals or not all(part for part in key.split(".")):
        raise InputError(f"--set {text!r}: expected KEY=VALUE with a dotted key, e.g. --set method.beta=5")
    try:
        # A bare - is what leaves a column unread; to YAML it would be a list that is not finished.
        value = raw.strip() if raw.strip() in ("", "-") else yaml_text.load(raw)
    except (yaml.YAMLError, ValueError) as error:  # 2020-13-45 looks like a date, and is none
        raise InputError(f"--set {text!r}: cannot read the value ({yaml_text.problem(error)})") from error
    nested: Values = {}
    *groups, last = key.strip().split(".")
    node = nested
    for group in groups:
        node = node.setdefault(group, {})
    node[last] = value
    return nested


def read_config(path: Path) -> Values:
    """A --config file: YAML, the same keys as config.yaml in a run folder."""
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml_text.load(text)
    except OSError as error:
        raise InputError(f"{path}: cannot read this config file ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a UTF-8 text file") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{line}: not valid YAML ({yaml_text.problem(error)})") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected settings by key, e.g. `method: {{beta: 5}}`")
    return values


def split_run_config(values: Values) -> tuple[Values, Values]:
    """A run folder's config.yaml as (what it says of the run itself, its settings)."""
    own = {key: value for key, value in values.items() if key in RUN_KEYS}
    return own, {key: value for key, value in values.items() if key not in RUN_KEYS}


def preset(dataset: str, teacher: str, student: str, method: str) -> Values:
    """What the package's preset for a dataset says about this teacher, student and method; {} where it says nothing."""
    file = resources.files("rcekd") / "presets" / f"{dataset}.yaml"
    if dataset not in CATALOG or not file.is_file():
        return {}
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    values: Values = {}
    if "data" in content:
        values["data"] = content["data"]
    values["teacher"] = content.get("teachers", {}).get(teacher, {})
    values = merge(values, content.get("students", {}).get(student, {}))
    pair = content.get("pairs", {}).get(f"{teacher}-{student}", {})
    parts = methods.part_names(method)
    if len(parts) == 1 or method in pair:
        return merge(values, pair.get(method, {}))
    # Of a combination nobody has tuned, the parts' own settings: training stays the student's.
    found = {part: pair.get(part, {}).get("method", {}) for part in parts}
    return merge(values, {"method": {part: own for part, own in found.items() if own}})


def _explain(error: ValidationError, layers: list[tuple[str, Values]]) -> str:
    """The first problem in one line: key, value, layer, remedy."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    key = ".".join(parts)
    where = _layer_of(parts, layers)
    if first["type"] == "extra_forbidden":
        return f"unknown setting {key!r}{where}{nearest(parts[-1], _known_keys(parts[:-1], layers))}"
    if first["type"] == "missing":
        return f"setting {key!r} is missing; give it with --set {key}=…"
    message = first["msg"].removeprefix("Value error, ")
    # What concerns a whole group of settings does not repeat them all.
    given = "" if isinstance(first["input"], Mapping) else f"={first['input']!r}"
    return f"setting {key}{given}{where}: {message[0].lower()}{message[1:]}"


def _layer_of(parts: list[str], layers: list[tuple[str, Values]]) -> str:
    """ " (from X)" for the last layer that holds the key."""
    for name, values in reversed(layers):
        node: Any = values
        for part in parts:
            if not isinstance(node, Mapping) or part not in node:
                break
            node = node[part]
        else:
            return f" (from {name})"
    return ""


def _known_keys(group: list[str], layers: list[tuple[str, Values]]) -> list[str]:
    """The keys that a group of settings has, found by following the annotations down from RunSettings."""
    chosen = _chosen_classes(layers)
    classes: list[type[BaseModel]] = [RunSettings]
    for depth, key in enumerate(group):
        inner = [found for settings in classes for found in _group_classes(settings, key)]
        classes = inner + (chosen.get(key, []) if depth == 0 else [])
    fields = [item for settings in classes for item in settings.model_fields.items()]
    return sorted({field.alias or name for name, field in fields if name != "backbone"})


def _chosen_classes(layers: list[tuple[str, Values]]) -> dict[str, list[type[BaseModel]]]:
    """The settings classes behind teacher, student and method, as the layers choose them."""
    merged: Values = {}
    for _, values in layers:
        merged = merge(merged, values)
    rooms = {room: merged[room] if isinstance(merged.get(room), dict) else {} for room in ("teacher", "student")}
    method = merged["method"] if isinstance(merged.get("method"), dict) else {}
    found: dict[str, list[type[BaseModel]]] = {
        room: [models.find(str(values.get("model", "mf"))).settings] for room, values in rooms.items()
    }
    return found | {"method": [methods.settings_class(str(method.get("name", "rcekd")))]}


def _group_classes(settings: type[BaseModel], key: str) -> list[type[BaseModel]]:
    """The settings classes that the annotation of the field `key` names."""
    fields = [field for name, field in settings.model_fields.items() if key in (name, field.alias)]
    return [found for field in fields for found in _classes_in(field.annotation)]


def _classes_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _classes_in(part)]
