"""Adam with coupled weight decay, in one sweep over the parameters; takes dense and row-sparse gradients alike.

It does not derive from torch.optim.Optimizer, whose first use imports torch's compiler: two seconds of every command.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rcekd.kernels.adam import adam_step_


@dataclass
class _Moments:
    """What Adam keeps of one parameter: steps taken, and running means of gradient and squared gradient."""

    step: int
    exp_avg: Tensor
    exp_avg_sq: Tensor


class Adam:
    """torch.optim.Adam's update (Kingma & Ba, arXiv 1412.6980, with L2 added to the gradient).

    A row-sparse gradient means zero elsewhere: every row still decays and moves, as with a dense gradient. With `lazy`,
    rows whose gradient is zero rest (`adam_step_`).
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        *,
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        lazy: bool = False,
    ) -> None:
        self._params = list(params)
        self._moments = [_Moments(0, torch.zeros_like(p), torch.zeros_like(p)) for p in map(torch.detach, self._params)]
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._betas, self._eps, self._lazy = betas, eps, lazy

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._params:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for parameter, moments in zip(self._params, self._moments, strict=True):
            if parameter.grad is not None:
                grad = parameter.grad
                self._update(parameter, moments, grad.coalesce() if grad.is_sparse else grad)

    def state_dict(self) -> dict[str, Any]:
        """What going on needs, parameter by parameter; the tensors are not copies."""
        return {"moments": [vars(moments) for moments in self._moments]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`. ValueError or RuntimeError where it was made for other parameters."""
        for moments, stored in zip(self._moments, state["moments"], strict=True):
            moments.step = int(stored["step"])
            if stored["exp_avg"].shape != moments.exp_avg.shape:
                raise ValueError(f"moments of shape {list(stored['exp_avg'].shape)}, not {list(moments.exp_avg.shape)}")
            moments.exp_avg.copy_(stored["exp_avg"])
            moments.exp_avg_sq.copy_(stored["exp_avg_sq"])

    def _update(self, parameter: Tensor, moments: _Moments, grad: Tensor) -> None:
        moments.step += 1
        adam_step_(
            parameter,
            moments.exp_avg,
            moments.exp_avg_sq,
            grad,
            step=moments.step,
            lr=self._learning_rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            eps=self._eps,
            weight_decay=self._weight_decay,
            lazy=self._lazy,
        )
