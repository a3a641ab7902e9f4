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
    lazy: bool = False,
    rates: Tensor | None = None,
) -> None:
    """Updates the first three in place. A row-sparse `grad` means zero in every row it does not name.

    lazy: rows (of the first dimension) whose gradient is zero keep their parameter and moments. rates: [2], the factor
    and the ε of the step with its corrections, in place of what follows from step, lr and eps.
    """
    full = _summed(grad) if grad.is_sparse else grad
    before = [tensor.clone() for tensor in (param, exp_avg, exp_avg_sq)] if lazy else []
    rests = full == 0
    while rests.dim() > 1:
        rests = rests.all(dim=-1)
    full = full + weight_decay * param
    exp_avg.lerp_(full, 1 - beta1)
    exp_avg_sq.mul_(beta2).addcmul_(full, full, value=1 - beta2)
    if rates is not None:
        param.sub_(rates[0] * (exp_avg / (exp_avg_sq.sqrt() + rates[1])))
    else:
        denominator = (exp_avg_sq.sqrt() / math.sqrt(1 - beta2**step)).add_(eps)
        param.addcdiv_(exp_avg, denominator, value=-lr / (1 - beta1**step))
    for tensor, old in zip((param, exp_avg, exp_avg_sq), before, strict=False):
        tensor[rests] = old[rests]


def _summed(grad: Tensor) -> Tensor:
    """The dense gradient. Anyone may call a sparse one coalesced, and torch then adds up repeated rows in a race."""
    return torch.sparse_coo_tensor(grad._indices(), grad._values(), grad.shape, check_invariants=False).to_dense()
