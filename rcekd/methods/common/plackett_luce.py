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

    Both slopes are made in the forward pass; backward only scales them.
    """

    @staticmethod
    def forward(ctx: Any, positive_RK: Tensor, other_RL: Tensor, mask_RK: Tensor, other_mask_RL: Tensor) -> Tensor:
        score_RW = torch.cat([positive_RK, other_RL], dim=1).double()
        mask_RW = torch.cat([mask_RK, other_mask_RL], dim=1)
        score_RW = score_RW - score_RW.masked_fill(~mask_RW, -torch.inf).amax(1, keepdim=True).nan_to_num(neginf=0.0)
        narrow = bool((score_RW > -WIDEST).logical_or_(~mask_RW).all())
        score_RW = score_RW.masked_fill_(~mask_RW, -torch.inf)
        score_RK, score_RL = score_RW[:, : positive_RK.shape[1]], score_RW[:, positive_RK.shape[1] :]
        log_sum_RK, slopes = (_direct if narrow else _in_logarithms)(score_RK, score_RL, mask_RK)
        slopes[0].sub_(1.0).masked_fill_(~mask_RK, 0.0)
        ctx.save_for_backward(*(slope.to(positive_RK.dtype) for slope in slopes))
        return (log_sum_RK - score_RK).masked_fill_(~mask_RK, 0.0).sum(1).to(positive_RK.dtype)

    @staticmethod
    def backward(ctx: Any, grad_R: Tensor) -> tuple[Tensor, Tensor, None, None]:
        slope_RK, slope_RL = ctx.saved_tensors
        return slope_RK * grad_R[:, None], slope_RL * grad_R[:, None], None, None


def _direct(positive_RK: Tensor, other_RL: Tensor, mask_RK: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """z [R, K] and the exponential part of the slopes, by plain sums: for scores at most 0 and not below −WIDEST."""
    weight_RK, weight_RL = positive_RK.exp(), other_RL.exp()
    sum_RK = weight_RK.flip(1).cumsum_(1).flip(1).add_(weight_RL.sum(1, keepdim=True))
    passed_RK = sum_RK.reciprocal().masked_fill_(~mask_RK, 0.0).cumsum_(1)
    return sum_RK.log_(), (weight_RK * passed_RK, weight_RL * passed_RK[:, -1:])


def _in_logarithms(positive_RK: Tensor, other_RL: Tensor, mask_RK: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The same for scores of any spread; several times slower."""
    tail_RK = positive_RK.flip(1).logcumsumexp(1).flip(1)
    log_sum_RK = torch.logaddexp(tail_RK, other_RL.logsumexp(1, keepdim=True))
    passed_RK = (-log_sum_RK).masked_fill(~mask_RK, -torch.inf).logcumsumexp(1)
    return log_sum_RK, ((positive_RK + passed_RK).exp_(), (other_RL + passed_RK[:, -1:]).exp_())


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
    loss_R: Tensor = _PlackettLuce.apply(positive_RK, other_RL, positive_mask_RK, other_mask_RL)  # type: ignore[no-untyped-call]
    return loss_R
