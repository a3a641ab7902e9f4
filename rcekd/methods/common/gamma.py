"""γ, the weight of the loss on missing items against the loss on the student's own top items (RCE-KD, eq. 9, C.5)."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from rcekd.settings import Settings


class GammaSettings(Settings):
    """γ as a function of x in [0, 1]: γ = e^(−βx) or 1 − x (decreasing), or 1 minus that (increasing), or a constant.

    The paper's rule (eq. 10) is the default. Its Tables 8–10 compare: fixed / decreasing / increasing over epochs,
    global (x = progress) against per user (x = s_u, eq. 37), and linear against exponential.
    """

    shape: Literal["exponential", "linear", "constant"] = Field(default="exponential", description="how γ follows x")
    over: Literal["user", "epoch"] = Field(
        default="user", description="x: the user's overlap s_u with the teacher, or the epoch over `epochs`"
    )
    direction: Literal["decreasing", "increasing"] = Field(default="decreasing", description="whether γ falls with x")
    value: float = Field(default=0.5, ge=0.0, le=1.0, description="the constant γ of shape `constant`")
    epochs: int = Field(default=100, ge=1, description="epochs until x = 1 where x is the epoch")


def gamma_of(settings: GammaSettings, beta: float, overlap_U: Tensor, epoch: int) -> Tensor:
    """γ of every user, float32 [U]. overlap_U: s_u = |Q₁| / |Qᵀ|, float32 [U]. epoch: from 0."""
    if settings.shape == "constant":
        return torch.full_like(overlap_U, settings.value)
    progress = min(1.0, epoch / settings.epochs)
    x_U = overlap_U if settings.over == "user" else torch.full_like(overlap_U, progress)
    falling_U = torch.exp(-beta * x_U) if settings.shape == "exponential" else 1.0 - x_U
    return falling_U if settings.direction == "decreasing" else 1.0 - falling_U
