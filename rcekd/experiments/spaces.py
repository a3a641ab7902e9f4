"""Search spaces: which settings a sweep tries, and where each space comes from (presets/spaces.yaml)."""

import re
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import yaml
from pydantic import ValidationError, field_validator, model_validator

from rcekd import methods
from rcekd.config import Values, read_config
from rcekd.errors import InputError, nearest
from rcekd.settings import Settings

Scalar = bool | int | float | str | None


class Chooser(Protocol):
    """What of an Optuna trial is used here."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float: ...
    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int: ...
    def suggest_categorical(self, name: str, choices: list[Scalar]) -> Any: ...


class Range(Settings):
    """Numbers from low to high, both included; whole ones where both ends are whole."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _check_order(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, not at {self.low}")
        return self

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def ends(self) -> list[Scalar]:
        """The values to be checked by themselves."""
        return [self.low, self.high]

    def contains(self, value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool) or (self.is_whole and value % 1):
            return False
        return self.low <= value <= self.high

    def suggest(self, trial: Chooser, key: str) -> Scalar:
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(key, self.low, self.high, log=self.log)
        return trial.suggest_float(key, float(self.low), float(self.high), log=self.log)


class Choices(Settings):
    """One of a list."""

    values: list[Scalar]

    @field_validator("values")
    @classmethod
    def _check_values(cls, values: list[Scalar]) -> list[Scalar]:
        if not values:
            raise ValueError("give at least one value")
        return [_as_number(value) for value in values]

    def ends(self) -> list[Scalar]:
        return self.values

    def contains(self, value: object) -> bool:
        return value in self.values

    def suggest(self, trial: Chooser, key: str) -> Scalar:
        chosen: Scalar = trial.suggest_categorical(key, self.values)
        return chosen


def _as_number(value: Scalar) -> Scalar:
    """1e-2 as a number: without a point YAML takes it for text, which would be equal to no setting."""
    is_power = isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
    return float(str(value)) if is_power else value


Space = dict[str, Range | Choices]


def read_space(values: Values, where: str) -> Space:
    """Keys such as `method.lambda`, each with {low, high, log} or a list. InputError names the key."""
    space: Space = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise InputError(f"{where}: {key!r} is no setting's key; write e.g. `method.lambda: [1, 10]`")
        try:
            space[key] = Choices(values=value) if isinstance(value, list) else Range.model_validate(value)
        except ValidationError as error:
            problem = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InputError(f"{where}: {key}: {problem}; write [a, b, …] or {{low: …, high: …, log: true}}") from error
    if not space:
        raise InputError(
            f"{where}: no settings to search; write e.g. `method.lambda: {{low: 0.1, high: 100, log: true}}`"
        )
    return space


def given_space(file: Path) -> Space:
    """The space in a user's file."""
    return read_space(read_config(file), str(file))


def own_space(method: str) -> Space:
    """The package's space for a method, or the spaces of a combination's parts under their names."""
    known = yaml.safe_load((resources.files("rcekd") / "presets" / "spaces.yaml").read_text(encoding="utf-8"))
    parts = methods.part_names(method)
    space: Space = {}
    for part in parts:
        if part not in known:
            raise InputError(
                f"there is no search space for method {part!r}; give one with --space FILE{nearest(part, known)}"
            )
        prefix = "method." if len(parts) == 1 else f"method.{part}."
        own = {f"{prefix}{key}": value for key, value in known[part].items()}
        space |= read_space(own, "presets/spaces.yaml")
    return space
