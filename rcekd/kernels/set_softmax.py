"""Softmax within ragged sets: the teacher's probabilities, made once per epoch."""

import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.checks import check_indptr


@torch.no_grad()
def set_softmax(score: Tensor, indptr: Tensor, *, tau: float = 1.0) -> Tensor:
    """softmax(score / τ) within each set `score[indptr[r]:indptr[r + 1]]`, [entries]; no gradient."""
    check_indptr("indptr", indptr, score.numel())
    if tau <= 0:
        raise ValueError(f"tau must be positive, not {tau}")
    return reference.set_softmax(score, indptr, tau=tau)
