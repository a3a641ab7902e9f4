"""Plackett–Luce: how unlikely a ranking is under a model's scores (ListMLE on a top list).

    PL(P; N) = Σ_k [ log( Σ_{m ≥ k} e^{s_pm} + Σ_{j ∈ N} e^{s_j} ) − s_pk ]

is −log of the probability that the items of P come first and in their order, when the candidates are P and N together
and the order among N is left open: the relaxed ranking of Kang et al. (CIKM 2020). With N empty it is ListMLE (Xia et
al., ICML 2008). Published codes exponentiate bare scores and clip them; here every sum is a log-sum-exp.
"""

from typing import Any

import torch
from torch import Tensor


class _PlackettLuce(torch.autograd.Function):
    """With z_k the logarithm above: ∂/∂s_pm = e^{s_pm} Σ_{k ≤ m} e^{−z_k} − 1 and ∂/∂s_j = e^{s_j} Σ_k e^{−z_k}."""

    @staticmethod
    def forward(ctx: Any, positive_RK: Tensor, other_RL: Tensor, mask_RK: Tensor, other_mask_RL: Tensor) -> Tensor:
        positive_RK = positive_RK.masked_fill(~mask_RK, -torch.inf)
        other_RL = other_RL.masked_fill(~other_mask_RL, -torch.inf)
        tail_RK = positive_RK.flip(1).logcumsumexp(1).flip(1)
        log_sum_RK = torch.logaddexp(tail_RK, other_RL.logsumexp(1, keepdim=True))
        ctx.save_for_backward(positive_RK, other_RL, mask_RK, log_sum_RK)
        return (log_sum_RK - positive_RK).masked_fill(~mask_RK, 0.0).sum(1)

    @staticmethod
    def backward(ctx: Any, grad_R: Tensor) -> tuple[Tensor, Tensor, None, None]:
        positive_RK, other_RL, mask_RK, log_sum_RK = ctx.saved_tensors
        passed_RK = (-log_sum_RK).masked_fill(~mask_RK, -torch.inf).logcumsumexp(1)
        slope_RK = (positive_RK + passed_RK).exp().sub_(1.0).masked_fill_(~mask_RK, 0.0)
        slope_RL = (other_RL + passed_RK.amax(1, keepdim=True)).exp_()  # what has been passed only grows
        return slope_RK.mul_(grad_R[:, None]), slope_RL.mul_(grad_R[:, None]), None, None


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
