"""Plain-torch Plackett–Luce loss of ranked lists."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rcekd.kernels.once import differentiable_once


def plackett_luce(score_RW: Tensor, mask_RW: Tensor, *, positives: int) -> Tensor:
    """Σ_{k < positives} [log Σ_{i ≥ k} e^{s_i} − s_k] of every row, [R], over the places that the mask counts.

    Computed in float64 and differentiable once, whatever the floating dtype. The logarithms of sums lose digits to
    scores beyond 10⁹ in size, which the native operation keeps.
    """
    loss_R: Tensor = _PlackettLuce.apply(score_RW, mask_RW, positives)  # type: ignore[no-untyped-call]
    return loss_R


class _PlackettLuce(Function):
    """With z_k the logarithm above: ∂/∂s_i = e^{s_i} Σ_{k ≤ i} e^{−z_k} − [i is ranked], k over the ranked places.

    Written out, for what autograd makes of log-sum-exps over nothing is NaN.
    """

    @staticmethod
    def forward(ctx: Any, score_RW: Tensor, mask_RW: Tensor, positives: int) -> Tensor:
        hole_RW, hole_RK = ~mask_RW, ~mask_RW[:, :positives]
        exact_RW = score_RW.double().masked_fill(score_RW == torch.inf, torch.nan).masked_fill(hole_RW, -torch.inf)
        score_RK, other_RL = exact_RW[:, :positives], exact_RW[:, positives:]
        tail_RK = score_RK.flip(1).logcumsumexp(1).flip(1)
        z_RK = torch.logaddexp(tail_RK, other_RL.logsumexp(1, keepdim=True))
        loss_R = (z_RK - score_RK).masked_fill(hole_RK, 0.0).sum(1)
        passed_RK = (-z_RK).masked_fill(hole_RK, -torch.inf).logcumsumexp(1)
        slope_RW = torch.cat([(score_RK + passed_RK).exp() - 1.0, (other_RL + passed_RK[:, -1:]).exp()], dim=1)
        slope_RW = slope_RW.masked_fill(loss_R.isnan()[:, None], torch.nan)
        ctx.save_for_backward(slope_RW.masked_fill(hole_RW | hole_RK.all(1, keepdim=True), 0.0).to(score_RW.dtype))
        return loss_R.to(score_RW.dtype)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_R: Tensor) -> tuple[Tensor, None, None]:
        (slope_RW,) = ctx.saved_tensors
        return slope_RW * grad_R[:, None], None, None
