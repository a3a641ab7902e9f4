"""Several methods at once: the sum of their losses, each with its own λ (`--method rcekd+de`)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import SerializeAsAny, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from torch import Tensor, nn

from rcekd.datasets import Interactions
from rcekd.methods.base import Method, MethodSettings
from rcekd.models import Backbone, Batch
from rcekd.teachers import Need

SEPARATOR = "+"


class CombinedSettings(MethodSettings):
    """The parts' settings, each under the part's name: `method.de.lambda=0.1`. `lambda` multiplies the whole sum."""

    parts: dict[str, SerializeAsAny[MethodSettings]]

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return {**values, **values.pop("parts")}

    @model_validator(mode="after")
    def _check_weightings(self) -> "CombinedSettings":
        if "weighting" in self.model_fields_set and self.weighting != "interaction":
            raise ValueError("set the weighting of each part, e.g. method.rcekd.weighting=user")
        return self

    def needs(self) -> frozenset[Need]:
        return frozenset[Need]().union(*(part.needs() for part in self.parts.values()))

    def assistant_dim(self, teacher_dim: int, student_dim: int) -> int | None:
        dims = (part.assistant_dim(teacher_dim, student_dim) for part in self.parts.values())
        return next((dim for dim in dims if dim is not None), None)

    def check_catalogue(self, data: Interactions) -> None:
        for part in self.parts.values():
            part.check_catalogue(data)


def part_names(name: str) -> list[str]:
    """The methods that a name such as `rcekd+de` stands for."""
    return name.split(SEPARATOR)


def split_values(value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A user's values of a combination as (the values of each part by its name, the rest)."""
    names = part_names(str(value["name"]))
    parts = {name: value.get(name, {}) for name in names}
    return parts, {key: content for key, content in value.items() if key not in names}


def validate_part(name: str, settings: type[MethodSettings], values: Any) -> MethodSettings:
    """A part's settings; a ValidationError says below which part its keys stand."""
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        details = [
            InitErrorDetails(
                # Re-raised as what it is; a validator of ours has its own words.
                type=PydanticCustomError(found["type"], "{message}", {"message": found["msg"]}),
                loc=(name, *found["loc"]),
                input=found["input"],
            )
            for found in error.errors()
        ]
        raise ValidationError.from_exception_data(error.title, details) from error


class Combined(Method):
    """Σ λ_m L_m over the parts."""

    name: ClassVar[str] = "combined"
    citation: ClassVar[str] = "a weighted sum of losses, as DE-RRD is (Kang et al., CIKM 2020, arXiv 2012.04357)"
    cost: ClassVar[str] = "the sum of its parts"
    use: ClassVar[str] = "a loss on rankings together with one on factors"

    def __init__(self, settings: CombinedSettings, parts: Sequence[Method], data: Interactions) -> None:
        super().__init__("interaction", data)
        self._parts = [(part, settings.parts[part.name].weight) for part in parts]
        self.trained = nn.ModuleDict({part.name: part.trained for part in parts})
        for part in parts:
            part.clock = self.clock

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        for part, _ in self._parts:
            part.start_epoch(student, epoch)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        (first, weight), *others = self._parts
        total = weight * first.loss(student, batch)
        for part, weight in others:
            total = total + weight * part.loss(student, batch)
        return total

    def own_loss(self, batch: Batch) -> Tensor | None:
        own = [loss for part, _ in self._parts if (loss := part.own_loss(batch)) is not None]
        return sum(own[1:], own[0]) if own else None

    def report(self) -> dict[str, float]:
        return {f"{part.name}.{key}": value for part, _ in self._parts for key, value in part.report().items()}
