"""Adam with coupled weight decay, in one sweep over the parameters; takes dense and row-sparse gradients alike."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from rcekd.kernels.adam import adam_step_


class Adam(torch.optim.Optimizer):
    """torch.optim.Adam's update (Kingma & Ba, arXiv 1412.6980, with L2 added to the gradient).

    A row-sparse gradient means zero elsewhere: every row still decays and moves, as with a dense gradient.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        *,
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": learning_rate, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("this optimiser takes no closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    grad = parameter.grad
                    self._update(parameter, grad.coalesce() if grad.is_sparse else grad, group)

    def _update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        adam_step_(
            parameter,
            state["exp_avg"],
            state["exp_avg_sq"],
            grad,
            step=state["step"],
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
        )
