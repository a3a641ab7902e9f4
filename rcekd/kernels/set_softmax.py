"""Softmax within ragged sets: the teacher's probabilities, made once per epoch."""

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import check_indptr, check_shape, check_strided, check_tau, is_native
from rcekd.kernels.library import register
from rcekd.work import report


@torch.no_grad()
def set_softmax(score: Tensor, indptr: Tensor, *, tau: float = 1.0) -> Tensor:
    """softmax(score / τ) within each set `score[indptr[r]:indptr[r + 1]]`, [entries]; no gradient.

    score: floating point [entries]; indptr: int64 [sets + 1]. Raises TypeError or ValueError for wrong dtypes or
    shapes, or a τ by which float32 scores cannot be divided.
    """
    check_strided("score", score)
    if not score.is_floating_point():
        raise TypeError(f"score must be floating point, not {score.dtype}")
    check_shape("score", score, (score.numel(),))
    check_indptr("indptr", indptr, score.numel())
    check_tau(tau)
    if not is_native(score):
        return reference.set_softmax(score, indptr, tau=tau)
    prob: Tensor = _operation(score.contiguous(), indptr.contiguous(), tau)
    return prob


def _set_softmax_cpu(score: Tensor, indptr: Tensor, tau: float) -> Tensor:
    prob = torch.empty_like(score)
    threads = torch.get_num_threads()
    report(lambda: (4 * score.numel(), 8 * score.numel()))
    _native.set_softmax(score.data_ptr(), indptr.data_ptr(), indptr.numel() - 1, tau, prob.data_ptr(), threads)
    return prob


def _set_softmax_cuda(score: Tensor, indptr: Tensor, tau: float) -> Tensor:
    prob = torch.empty_like(score)
    report(lambda: (4 * score.numel(), 8 * score.numel()))
    cuda_library.run("set_softmax", score, score=score, indptr=indptr, rows=indptr.numel() - 1, tau=tau, prob=prob)
    return prob


_operation = register(
    "set_softmax(Tensor score, Tensor indptr, float tau) -> Tensor", _set_softmax_cpu, _set_softmax_cuda
)
