"""Plain-torch Adam step with coupled weight decay, the update of `torch.optim.Adam`."""

import math

import torch
from torch import Tensor


@torch.no_grad()
def adam_step_(
    param: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    grad: Tensor,
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Updates the first three in place. A row-sparse `grad` means zero in every row it does not name."""
    full = grad.to_dense() if grad.is_sparse else grad
    full = full + weight_decay * param
    exp_avg.lerp_(full, 1 - beta1)
    exp_avg_sq.mul_(beta2).addcmul_(full, full, value=1 - beta2)
    denominator = (exp_avg_sq.sqrt() / math.sqrt(1 - beta2**step)).add_(eps)
    param.addcdiv_(exp_avg, denominator, value=-lr / (1 - beta1**step))
