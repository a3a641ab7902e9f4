"""The plain-torch twin of every operation: what it means, in any dtype and on any device."""

from rcekd.kernels.reference.adam import adam_step_
from rcekd.kernels.reference.batch_rows import batch_rows
from rcekd.kernels.reference.bpr import bpr_loss
from rcekd.kernels.reference.closure import closure
from rcekd.kernels.reference.horizon import horizon_draws
from rcekd.kernels.reference.list_scores import list_scores
from rcekd.kernels.reference.negatives import sample_negatives
from rcekd.kernels.reference.pair_scores import pair_scores
from rcekd.kernels.reference.plackett_luce import plackett_luce
from rcekd.kernels.reference.pool_gap_draws import pool_gap_lists
from rcekd.kernels.reference.propagate import layer_mean, propagate
from rcekd.kernels.reference.rank_gap_draws import rank_gap_lists
from rcekd.kernels.reference.rest_log_sum import rest_log_sum
from rcekd.kernels.reference.set_cross_entropy import set_cross_entropy
from rcekd.kernels.reference.set_softmax import set_softmax
from rcekd.kernels.reference.topk import topk
from rcekd.kernels.reference.unseen_draws import unseen_draws

__all__ = [
    "adam_step_",
    "batch_rows",
    "bpr_loss",
    "closure",
    "horizon_draws",
    "layer_mean",
    "list_scores",
    "pair_scores",
    "plackett_luce",
    "pool_gap_lists",
    "propagate",
    "rank_gap_lists",
    "rest_log_sum",
    "sample_negatives",
    "set_cross_entropy",
    "set_softmax",
    "topk",
    "unseen_draws",
]
