"""Plain-torch twins of the native operations: the specification, clear rather than fast."""

from rcekd.kernels.reference.closure import closure
from rcekd.kernels.reference.topk import topk

__all__ = ["closure", "topk"]
