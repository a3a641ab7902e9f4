"""Settings that losses on factors share."""

from typing import Literal

from pydantic import Field, PositiveInt

from rcekd.methods.base import MethodSettings
from rcekd.methods.common.experts import Annealing
from rcekd.teachers import Need


class FeatureSettings(MethodSettings):
    """A loss on the factors of a batch's entities."""

    weighting: Literal["distinct"] = Field(
        default="distinct", description="each distinct user and item of a batch counts once, as in the papers"
    )

    def needs(self) -> frozenset[Need]:
        return frozenset({"factors"})


class ExpertSettings(FeatureSettings):
    """A loss with gated experts."""

    experts: PositiveInt = Field(default=30, alias="E", description="E: experts per side; 1 is plain FitNet")
    anneal: Annealing = Field(default_factory=Annealing, description="temperature of the gates")
