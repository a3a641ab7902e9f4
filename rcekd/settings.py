"""The base of every settings class: typed, closed to unknown keys, immutable once resolved."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Settings(BaseModel):
    """A frozen group of settings. Unknown keys are refused, and every field carries a one-line description."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python counts true as 1; a user who writes `epochs: true` does not."""
        if isinstance(value, bool) and not _mentions(cls.model_fields[str(info.field_name)].annotation, bool):
            raise ValueError("input should not be true or false")
        return value


def _mentions(annotation: Any, kind: type) -> bool:
    return annotation is kind or any(_mentions(part, kind) for part in get_args(annotation))
