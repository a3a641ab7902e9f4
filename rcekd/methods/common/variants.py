"""Settings whose defaults follow a chosen variant: the paper's text, or public code that departs from it."""

from typing import Any, Literal

from pydantic import Field, model_validator

from rcekd.methods.base import MethodSettings


class VariantSettings(MethodSettings):
    """A setting that is not given has the value of the chosen variant."""

    variant: Literal["paper", "code"] = Field(default="paper", description="whose algorithm: the text's or the code's")

    @model_validator(mode="before")
    @classmethod
    def _fill_variant(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        variant = values.get("variant", cls.model_fields["variant"].default)
        chosen = cls.VARIANTS.get(str(variant), {})
        given = {key for key in chosen if key in values or cls.model_fields[key].alias in values}
        return {**{key: value for key, value in chosen.items() if key not in given}, **values}
