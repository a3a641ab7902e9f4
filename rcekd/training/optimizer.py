"""Adam with coupled weight decay, in one sweep over the parameters; takes dense and row-sparse gradients alike.

It does not derive from torch.optim.Optimizer, whose first use imports torch's compiler: two seconds of every command.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rcekd import devices
from rcekd.kernels.adam import adam_rates, adam_step_


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
    def step(self, rates_P2: Tensor | None = None) -> None:
        """Update every parameter that has a gradient.

        rates_P2: a row of `rates`. The step then reads from it which step it is, and none is counted: see `advance`.
        """
        for number, (parameter, moments) in enumerate(zip(self._params, self._moments, strict=True)):
            if parameter.grad is not None:
                grad = parameter.grad
                moments.step += rates_P2 is None
                rates = None if rates_P2 is None else rates_P2[number]
                self._update(parameter, moments, grad.coalesce() if grad.is_sparse else grad, rates)

    def rates(self, steps: int) -> Tensor:
        """What the next `steps` steps multiply and add, float32 [steps, parameters, 2] where the parameters are.

        So rounded as a step that counts rounds it. For parameters that have a gradient in each of these steps.
        """
        (beta1, beta2), counts = self._betas, {moments.step for moments in self._moments}
        of_count = {
            count: [
                adam_rates(count + 1 + n, lr=self._learning_rate, beta1=beta1, beta2=beta2, eps=self._eps)
                for n in range(steps)
            ]
            for count in counts
        }
        rates_PN2 = torch.tensor([of_count[moments.step] for moments in self._moments], dtype=torch.float64)
        rates_NP2 = rates_PN2.transpose(0, 1).to(torch.float32).contiguous()
        return devices.sent(rates_NP2, self._params[0].device)

    def advance(self, steps: int) -> None:
        """Count steps that were taken by `rates`, on the parameters that have a gradient now."""
        for parameter, moments in zip(self._params, self._moments, strict=True):
            moments.step += steps * (parameter.grad is not None)

    def touch(self) -> None:
        """Say to torch that the parameters have changed, where it has not seen it or cannot know."""
        for parameter in self._params:
            torch.autograd.graph.increment_version(parameter)

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

    def _update(self, parameter: Tensor, moments: _Moments, grad: Tensor, rates: Tensor | None) -> None:
        adam_step_(
            parameter,
            moments.exp_avg,
            moments.exp_avg_sq,
            grad,
            step=moments.step + (rates is not None),
            lr=self._learning_rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            eps=self._eps,
            weight_decay=self._weight_decay,
            lazy=self._lazy,
            rates=rates,
        )
