"""The plain-torch twin of every operation: what it means, in any dtype and on any device."""

from rcekd.kernels.reference.adam import adam_step_
from rcekd.kernels.reference.bpr import bpr_loss
from rcekd.kernels.reference.horizon import horizon_draws
from rcekd.kernels.reference.negatives import sample_negatives
from rcekd.kernels.reference.pair_scores import pair_scores
from rcekd.kernels.reference.set_cross_entropy import set_cross_entropy
from rcekd.kernels.reference.set_softmax import set_softmax

__all__ = [
    "adam_step_",
    "bpr_loss",
    "horizon_draws",
    "pair_scores",
    "sample_negatives",
    "set_cross_entropy",
    "set_softmax",
]
