"""Cross-entropy over the whole catalogue, a block of users at a time: no |B| × |I| matrix outlives its block."""

from typing import Any

import torch
from torch import Tensor

from rcekd.kernels.once import differentiable_once

BLOCK_BYTES = 64 << 20


class _FullCrossEntropy(torch.autograd.Function):
    """Both gradients are made in the forward pass, block by block; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any, user_BD: Tensor, item_ID: Tensor, t_user_BT: Tensor, t_item_IT: Tensor, weight_B: Tensor, tau: float
    ) -> Tensor:
        grad_user_BD, grad_item_ID = torch.zeros_like(user_BD), torch.zeros_like(item_ID)
        loss = user_BD.new_zeros((), dtype=torch.float64)
        step = max(1, BLOCK_BYTES // (item_ID.shape[0] * user_BD.element_size()))
        for begin in range(0, user_BD.shape[0], step):
            rows = slice(begin, begin + step)
            log_student = torch.log_softmax(user_BD[rows] @ item_ID.T / tau, dim=1)
            teacher = torch.softmax(t_user_BT[rows] @ t_item_IT.T / tau, dim=1)
            weight = weight_B[rows].unsqueeze(1)
            loss -= (weight * teacher * log_student).sum(dtype=torch.float64)
            slope = log_student.exp_().sub_(teacher).mul_(weight / tau)
            grad_user_BD[rows] = slope @ item_ID
            grad_item_ID.addmm_(slope.T, user_BD[rows])
        ctx.save_for_backward(grad_user_BD, grad_item_ID)
        return loss.to(user_BD.dtype)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_user_BD, grad_item_ID = ctx.saved_tensors
        return grad * grad_user_BD, grad * grad_item_ID, None, None, None, None


def full_cross_entropy(
    user_BD: Tensor, item_ID: Tensor, t_user_BT: Tensor, t_item_IT: Tensor, weight_B: Tensor, *, tau: float = 1.0
) -> Tensor:
    """Σ_b weight_b · CE(softmax(teacher scores / τ), softmax(student scores / τ)) over all items: a scalar.

    user_BD, item_ID: the student's factors (differentiable). t_user_BT, t_item_IT: the teacher's. weight_B: float [B].
    Costs 2·B·I·(3D + Dᵀ) multiply-adds and at most a few blocks of 64 MiB.
    """
    loss: Tensor = _FullCrossEntropy.apply(user_BD, item_ID, t_user_BT, t_item_IT, weight_B, tau)  # type: ignore[no-untyped-call]
    return loss
