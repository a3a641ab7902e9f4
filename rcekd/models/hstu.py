"""HSTU (Zhai et al., ICML 2024, arXiv 2402.17152): gated attention without a softmax over a user's last items."""

from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear, normalize, silu

from rcekd.datasets import Interactions
from rcekd.models.sequential import INIT_STD, Drop, SequentialBackbone, SequentialSettings, joined_heads, split_heads


class HSTUSettings(SequentialSettings):
    """Settings of HSTU."""

    TEACHER = MappingProxyType({"blocks": 8, "heads": 4})

    model: Literal["hstu"] = "hstu"
    blocks: int = Field(default=1, ge=0, description="attention blocks")
    tau: PositiveFloat = Field(default=0.05, description="τ: what cosines are divided by, in the loss and the factors")


class HSTU(SequentialBackbone):
    """score(u, i) = cos(last state of u, item_ID[i]) / τ: the logits of its own softmax.

    The square root of 1/τ goes to either side, so that users' and items' factors have one length.
    """

    name: ClassVar[str] = "hstu"

    def __init__(self, data: Interactions, settings: HSTUSettings, generator: torch.Generator) -> None:
        super().__init__(data, settings, generator)
        self._length = settings.tau**-0.5
        self.blocks = nn.ModuleList(_Block(settings, generator) for _ in range(settings.blocks))

    def encode(self, token_RTD: Tensor) -> Tensor:
        x_RTD = token_RTD
        for block in self.blocks:
            x_RTD = block(x_RTD, self.dropped)
        return x_RTD

    def factors(self, state_XD: Tensor) -> Tensor:
        factor_XD: Tensor = normalize(state_XD, dim=-1) * self._length
        return factor_XD

    def item_factors(self) -> Tensor:
        return self._cache.get("items", lambda: normalize(self.item, dim=-1) * self._length)


class _Block(nn.Module):
    """One block: U, V, Q and K in one product, a bias by distance, and the way out."""

    def __init__(self, settings: HSTUSettings, generator: torch.Generator) -> None:
        super().__init__()
        dim = settings.dim
        self.uvqk = nn.Parameter(torch.empty(4 * dim, dim))
        self.bias_HW = nn.Parameter(torch.empty(settings.heads, settings.window))
        self.out = nn.Parameter(torch.empty(dim, dim))
        self.out_bias = nn.Parameter(torch.zeros(dim))
        nn.init.xavier_uniform_(self.out, generator=generator)
        with torch.no_grad():
            # Small, so that every block begins by passing on what it gets: deep stacks learn far later otherwise.
            self.uvqk.normal_(std=INIT_STD, generator=generator)
            self.bias_HW.normal_(std=INIT_STD, generator=generator)

    def forward(self, x_RTD: Tensor, drop: Drop) -> Tensor:
        """Equations 1 to 3: x ← x + f₂(LN(attention) ⊙ U)."""
        gate, value, query, key = silu(linear(_normed(x_RTD), self.uvqk)).chunk(4, dim=-1)
        attended_RTD = pointwise_attention(query, key, value, self.bias_HW)
        return x_RTD + linear(drop(gate * _normed(attended_RTD)), self.out, self.out_bias)


def pointwise_attention(query_RTD: Tensor, key_RTD: Tensor, value_RTD: Tensor, bias_HW: Tensor) -> Tensor:
    """Σ_{j ≤ t} SiLU(q_t · k_j + bias(t − j)) v_j / (t + 1), head by head (equation 2)."""
    heads, window = bias_HW.shape
    query, key, value = (split_heads(x_RTD, heads) for x_RTD in (query_RTD, key_RTD, value_RTD))
    place_T = torch.arange(query.shape[2], device=query.device)
    distance_TT = place_T[:, None] - place_T
    # The longest distance in a full window is one that no base loss asks for: it shares the bias of the one before.
    bias_HTT = bias_HW[:, distance_TT.clamp(0, window - 1)]
    share_TT = (distance_TT >= 0) / (place_T[:, None] + 1)
    return joined_heads((silu(query @ key.transpose(2, 3) + bias_HTT) * share_TT) @ value)


def _normed(x_XD: Tensor) -> Tensor:
    """Layer normalisation without parameters."""
    return layer_norm(x_XD, x_XD.shape[-1:], eps=1e-6)
