"""Adam with coupled weight decay, one sweep over a table, for dense and row-sparse gradients."""

from torch import Tensor

from rcekd.kernels import reference


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
    """One update of `torch.optim.Adam` (step counts from 1) in place on `param` and its two moments.

    `grad` is dense, or row-sparse (coalesced `sparse_coo` over rows): a row without an entry has gradient zero but
    still decays and moves, exactly as with the dense gradient.
    """
    if not (param.shape == exp_avg.shape == exp_avg_sq.shape == grad.shape):
        raise ValueError("param, exp_avg, exp_avg_sq and grad must have the same shape")
    if step < 1:
        raise ValueError(f"step counts from 1, not {step}")
    reference.adam_step_(
        param,
        exp_avg,
        exp_avg_sq,
        grad,
        step=step,
        lr=lr,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        weight_decay=weight_decay,
    )
