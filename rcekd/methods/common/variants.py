"""Settings of methods that come in two variants: the paper's text, and public code that departs from it."""

from typing import Literal

from pydantic import Field

from rcekd.methods.base import MethodSettings


class VariantSettings(MethodSettings):
    """A subclass lists in VARIANTS what each variant sets; a setting that is not given has the chosen one's value."""

    variant: Literal["paper", "code"] = Field(default="paper", description="whose algorithm: the text's or the code's")
