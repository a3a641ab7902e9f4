"""No distillation: the student trains on its base loss alone, which is what every method is measured against."""

from typing import Literal

from rcekd.methods.base import MethodSettings
from rcekd.teachers import Need


class AloneSettings(MethodSettings):
    """The student from scratch has no settings of its own."""

    name: Literal["none"] = "none"

    def needs(self) -> frozenset[Need]:
        return frozenset()
