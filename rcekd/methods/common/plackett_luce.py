"""Plackett–Luce: how unlikely a ranking is under a model's scores (ListMLE on a top list).

    PL(P; N) = Σ_k [ log( Σ_{m ≥ k} e^{s_pm} + Σ_{j ∈ N} e^{s_j} ) − s_pk ]

is −log of the probability that the items of P come first and in their order, when the candidates are P and N together
and the order among N is left open: the relaxed ranking of Kang et al. (CIKM 2020). With N empty it is ListMLE (Xia et
al., ICML 2008). Published codes exponentiate bare scores and clip them; here every sum is a log-sum-exp.
"""

from typing import Any

import torch
from torch import Tensor

# Widest spread of scores, in nats, whose exponentials float64 can still add up.
WIDEST = 600.0


class _PlackettLuce(torch.autograd.Function):
    """With z_k the logarithm above: ∂/∂s_pm = e^{s_pm} Σ_{k ≤ m} e^{−z_k} − 1 and ∂/∂s_j = e^{s_j} Σ_k e^{−z_k}.

    The slopes are made in the forward pass; backward only scales them.
    """

    @staticmethod
    def forward(ctx: Any, score_RW: Tensor, mask_RW: Tensor, cut: int) -> Tensor:
        hole_RW = None if bool(mask_RW.all()) else ~mask_RW
        top_R1 = _filled(score_RW, hole_RW, -torch.inf).amax(1, keepdim=True).nan_to_num(neginf=0.0)
        shifted_RW = score_RW.to(torch.float64, copy=True).sub_(top_R1)
        narrow = bool((shifted_RW > -WIDEST).logical_or_(~mask_RW).all())
        shifted_RW = _fill(shifted_RW, hole_RW, -torch.inf)
        hole_RK = None if hole_RW is None else hole_RW[:, :cut]
        log_sum_RK, slope_RW = (_direct if narrow else _in_logarithms)(shifted_RW, hole_RK, cut)
        _fill(slope_RW[:, :cut].sub_(1.0), hole_RK, 0.0)
        ctx.save_for_backward(slope_RW.to(score_RW.dtype))
        return _fill(log_sum_RK.sub_(shifted_RW[:, :cut]), hole_RK, 0.0).sum(1).to(score_RW.dtype)

    @staticmethod
    def backward(ctx: Any, grad_R: Tensor) -> tuple[Tensor, None, None]:
        (slope_RW,) = ctx.saved_tensors
        return slope_RW * grad_R[:, None], None, None


def _filled(value: Tensor, hole: Tensor | None, filling: float) -> Tensor:
    """The value with the holes filled, where there are any."""
    return value if hole is None else value.masked_fill(hole, filling)


def _fill(value: Tensor, hole: Tensor | None, filling: float) -> Tensor:
    """The same in place."""
    return value if hole is None else value.masked_fill_(hole, filling)


def _direct(score_RW: Tensor, hole_RK: Tensor | None, cut: int) -> tuple[Tensor, Tensor]:
    """z [R, K] and the exponential part of the slopes, by plain sums: for scores at most 0 and not below −WIDEST."""
    slope_RW = score_RW.exp()  # as yet the weights
    weight_RK, weight_RL = slope_RW[:, :cut], slope_RW[:, cut:]
    sum_RK = weight_RK.flip(1).cumsum_(1).flip(1).add_(weight_RL.sum(1, keepdim=True))
    passed_RK = _fill(sum_RK.reciprocal(), hole_RK, 0.0).cumsum_(1)
    weight_RK.mul_(passed_RK)
    weight_RL.mul_(passed_RK[:, -1:])
    return sum_RK.log_(), slope_RW


def _in_logarithms(score_RW: Tensor, hole_RK: Tensor | None, cut: int) -> tuple[Tensor, Tensor]:
    """The same for scores of any spread; several times slower."""
    score_RK, score_RL = score_RW[:, :cut], score_RW[:, cut:]
    tail_RK = score_RK.flip(1).logcumsumexp(1).flip(1)
    log_sum_RK = torch.logaddexp(tail_RK, score_RL.logsumexp(1, keepdim=True))
    passed_RK = _filled(-log_sum_RK, hole_RK, -torch.inf).logcumsumexp(1)
    return log_sum_RK, torch.cat([score_RK + passed_RK, score_RL + passed_RK[:, -1:]], dim=1).exp_()


def plackett_luce(positive_RK: Tensor, other_RL: Tensor, positive_mask_RK: Tensor, other_mask_RL: Tensor) -> Tensor:
    """PL(P; N) of every row, [R], differentiable once in both score tensors.

    positive_RK: scores of P, in the order to be kept, best first. other_RL: scores of N; L may be 0. The bool masks are
    true where an entry counts; what the others hold does not matter, and they get a zero gradient. A row without
    positives has loss 0. Raises ValueError for shapes that do not fit.
    """
    if positive_RK.dim() != 2 or positive_RK.shape[1] == 0 or positive_mask_RK.shape != positive_RK.shape:
        raise ValueError(f"scores {list(positive_RK.shape)} and mask {list(positive_mask_RK.shape)} of P do not fit")
    if other_RL.dim() != 2 or other_RL.shape[0] != positive_RK.shape[0] or other_mask_RL.shape != other_RL.shape:
        raise ValueError(f"scores {list(other_RL.shape)} and mask {list(other_mask_RL.shape)} of N do not fit")
    score_RW = torch.cat([positive_RK, other_RL], dim=1)
    return listed_plackett_luce(
        score_RW, torch.cat([positive_mask_RK, other_mask_RL], dim=1), positives=positive_RK.shape[1]
    )


def listed_plackett_luce(score_RW: Tensor, mask_RW: Tensor, *, positives: int) -> Tensor:
    """PL(P; N) of every row, [R], P being the first `positives` of its scores and N the others: see `plackett_luce`."""
    if score_RW.dim() != 2 or mask_RW.shape != score_RW.shape or not 0 < positives <= score_RW.shape[1]:
        shapes = f"scores {list(score_RW.shape)}, mask {list(mask_RW.shape)}"
        raise ValueError(f"{shapes} and {positives} positives do not fit")
    loss_R: Tensor = _PlackettLuce.apply(score_RW, mask_RW, positives)  # type: ignore[no-untyped-call]
    return loss_R
