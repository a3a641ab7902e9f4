"""The Plackett–Luce loss of ranked lists: how unlikely a ranking is under a model's scores (ListMLE on a top list).

    PL(P; N) = Σ_k [ log( Σ_{m ≥ k} e^{s_pm} + Σ_{j ∈ N} e^{s_j} ) − s_pk ]

is −log of the probability that the items of P come first and in their order, when the candidates are P and N together
and the order among N is left open: the relaxed ranking of Kang et al. (CIKM 2020). With N empty it is ListMLE (Xia et
al., ICML 2008). Published codes exponentiate bare scores and clip them; here every sum is a log-sum-exp.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import check_shape, check_strided, is_native
from rcekd.kernels.library import raise_for_memory, register
from rcekd.kernels.once import differentiable_once
from rcekd.work import report


def plackett_luce(score_RW: Tensor, mask_RW: Tensor, *, positives: int) -> Tensor:
    """PL(P; N) of every row, [R], P being the first `positives` of its scores, best first, and N the others.

    The mask, bool [R, W], is true where a place counts, anywhere in P or N; what the others hold does not matter, and
    they get a zero gradient. A row without a place of P that counts has loss 0 and gradient 0. Differentiable once in
    the scores. In float32 the gradient is made together with the loss, sound for any finite scores and the same bytes
    for any number of threads. A row has a NaN for its loss and its gradient where a score that counts is NaN or +inf,
    or nothing but −inf is left to choose from. Raises TypeError or ValueError for wrong dtypes or shapes, or
    `positives` that are none or more than W.
    """
    check_strided("score_RW", score_RW)
    check_strided("mask_RW", mask_RW)
    if not score_RW.is_floating_point() or mask_RW.dtype != torch.bool:
        raise TypeError(f"score_RW must be floating point and mask_RW bool, not {score_RW.dtype} and {mask_RW.dtype}")
    if score_RW.dim() != 2:
        raise ValueError(f"score_RW must have shape [R, W], not {list(score_RW.shape)}")
    check_shape("mask_RW", mask_RW, tuple(score_RW.shape))
    if mask_RW.device != score_RW.device:
        raise TypeError("score_RW and mask_RW must share a device")
    if not 0 < positives <= score_RW.shape[1]:
        raise ValueError(f"positives must lie in [1, {score_RW.shape[1]}], the scores of a row, not {positives}")
    if not is_native(score_RW):
        return reference.plackett_luce(score_RW, mask_RW, positives=positives)
    loss_R: Tensor = _PlackettLuce.apply(score_RW, mask_RW, positives)  # type: ignore[no-untyped-call]
    return loss_R


class _PlackettLuce(Function):
    """The slopes are made in forward, together with the loss; backward only scales them."""

    @staticmethod
    def forward(ctx: Any, score_RW: Tensor, mask_RW: Tensor, positives: int) -> Tensor:
        loss_R: Tensor
        loss_R, slope_RW = _operation(score_RW.contiguous(), mask_RW.contiguous(), positives)
        ctx.save_for_backward(slope_RW)
        return loss_R

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_R: Tensor) -> tuple[Tensor, None, None]:
        (slope_RW,) = ctx.saved_tensors
        return slope_RW * grad_R[:, None], None, None


def _plackett_luce_cpu(score_RW: Tensor, mask_RW: Tensor, positives: int) -> tuple[Tensor, Tensor]:
    (rows, width), slope_RW = score_RW.shape, torch.empty_like(score_RW)
    loss_R = score_RW.new_empty(rows)
    report(lambda: _work(rows, width, positives))
    status: int = _native.plackett_luce(
        score_RW.data_ptr(),
        mask_RW.data_ptr(),
        rows,
        width,
        positives,
        loss_R.data_ptr(),
        slope_RW.data_ptr(),
        torch.get_num_threads(),
    )
    raise_for_memory(status)
    return loss_R, slope_RW


def _work(rows: int, width: int, positives: int) -> tuple[float, float]:
    """A sum, a shift, an exponential and a product each, and two more sums and an inverse where a place is ranked."""
    return rows * (4 * width + 4 * positives), rows * (9 * width + 4)


def _plackett_luce_cuda(score_RW: Tensor, mask_RW: Tensor, positives: int) -> tuple[Tensor, Tensor]:
    (rows, width), slope_RW = score_RW.shape, torch.empty_like(score_RW)
    loss_R = score_RW.new_empty(rows)
    report(lambda: _work(rows, width, positives))
    cuda_library.run(
        "plackett_luce",
        score_RW,
        score=score_RW,
        mask=mask_RW,
        rows=rows,
        width=width,
        positives=positives,
        loss=loss_R,
        slope=slope_RW,
    )
    return loss_R, slope_RW


_operation = register(
    "plackett_luce(Tensor score_RW, Tensor mask_RW, int positives) -> (Tensor, Tensor)",
    _plackett_luce_cpu,
    _plackett_luce_cuda,
)
