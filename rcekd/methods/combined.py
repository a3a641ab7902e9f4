"""Several methods at once: the sum of their losses, each with its own λ (`--method rcekd+de`)."""

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, Self

from pydantic import create_model, model_validator
from torch import Tensor, nn

from rcekd.datasets import Interactions
from rcekd.methods.base import Method, MethodSettings
from rcekd.models import Backbone, Batch
from rcekd.teachers import Need

SEPARATOR = "+"


class CombinedSettings(MethodSettings):
    """A field for each part, under the part's name: `method.de.lambda=0.1`. `lambda` multiplies the whole sum."""

    @property
    def parts(self) -> dict[str, MethodSettings]:
        """The parts' settings by their names."""
        return {name: value for name, value in self if isinstance(value, MethodSettings)}

    @model_validator(mode="after")
    def _check_weighting(self) -> "CombinedSettings":
        if self.weighting != "interaction":
            raise ValueError("set the weighting of each part, e.g. method.rcekd.weighting=user")
        return self

    def needs(self) -> frozenset[Need]:
        return frozenset[Need]().union(*(part.needs() for part in self.parts.values()))

    def assistant_dim(self, teacher_dim: int | None, student_dim: int) -> int | None:
        dims = (part.assistant_dim(teacher_dim, student_dim) for part in self.parts.values())
        return next((dim for dim in dims if dim is not None), None)

    def idle_epochs(self) -> int:
        return min(part.idle_epochs() for part in self.parts.values())

    def at_once(self) -> Self:
        return self.model_copy(update={name: part.at_once() for name, part in self.parts.items()})

    def check_catalogue(self, data: Interactions, prefix: str = "method") -> None:
        for name, part in self.parts.items():
            part.check_catalogue(data, f"{prefix}.{name}")


def part_names(name: str) -> list[str]:
    """The methods that a name such as `rcekd+de` stands for."""
    return name.split(SEPARATOR)


@cache
def combined_class(*parts: tuple[str, type[MethodSettings]]) -> type[CombinedSettings]:
    """The settings class of a combination of (name, settings class); the same class for the same parts."""
    fields: dict[str, Any] = {name: (part, part.model_validate({})) for name, part in parts}
    return create_model("CombinedSettings", __base__=CombinedSettings, **fields)


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

    @property
    def is_recordable(self) -> bool:
        return all(part.is_recordable for part, _ in self._parts)

    def meet(self, student: Backbone) -> None:
        super().meet(student)
        for part, _ in self._parts:
            part.meet(student)

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
