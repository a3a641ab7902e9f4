"""Operations whose gradient is computed with no graph behind it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

Backward = Callable[..., Any]


def differentiable_once(backward: Backward) -> Backward:
    """A `backward` that raises RuntimeError where a gradient of its gradient is asked for (`create_graph=True`).

    torch's own `once_differentiable` lets it pass where the incoming gradient is a constant, and its part is then
    missing from the second gradient.
    """

    @wraps(backward)
    def checked(ctx: Any, *grads: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError("an operation of rcekd is differentiable once; leave create_graph=True out")
        return backward(ctx, *grads)

    return checked
