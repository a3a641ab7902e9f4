"""Dense features of a dataset's items, one modality: what a multi-modal backbone reads."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """A vector per item, in the order of the dataset's inner ids; an item without one has zeros.

    value_IF: float32 [I, F]. missing_I: bool [I]. digest: hex digest of both, equal for equal content.
    """

    value_IF: Tensor
    missing_I: Tensor
    digest: str

    @property
    def width(self) -> int:
        """F, numbers per item."""
        return self.value_IF.shape[1]

    @property
    def missing_share(self) -> float:
        """Share of items without features."""
        return float(self.missing_I.double().mean())

    def summary(self) -> dict[str, int | float | str]:
        """For people and programs."""
        missing = int(self.missing_I.sum())
        return {"width": self.width, "missing": missing, "missing_share": self.missing_share, "digest": self.digest}
