"""Plain-torch softmax over ragged sets."""

from torch import Tensor

from rcekd.kernels.reference.segments import entry_rows, segment_log_softmax


def set_softmax(score: Tensor, indptr: Tensor, *, tau: float = 1.0) -> Tensor:
    """softmax(score / τ) within each set, [entries]."""
    return segment_log_softmax(score / tau, entry_rows(indptr), indptr.numel() - 1).exp()
