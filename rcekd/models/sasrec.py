"""SASRec (Kang & McAuley, ICDM 2018, arXiv 1808.09781): a causal Transformer over a user's last items."""

import math
from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear

from rcekd.datasets import Interactions
from rcekd.models.sequential import (
    Drop,
    SequenceLoss,
    SequentialBackbone,
    SequentialSettings,
    joined_heads,
    split_heads,
)


class SASRecSettings(SequentialSettings):
    """Settings of SASRec."""

    TEACHER = MappingProxyType({"blocks": 4, "heads": 2})

    model: Literal["sasrec"] = "sasrec"
    blocks: int = Field(default=1, ge=0, description="attention blocks")
    objective: SequenceLoss = Field(
        default="bce",
        description="bce: the paper's, with train.negatives 1; softmax: over the item and the negatives",
    )


class SASRec(SequentialBackbone):
    """score(u, i) = LN(last state of u) · item_ID[i]; inputs and outputs share the item vectors."""

    name: ClassVar[str] = "sasrec"

    def __init__(self, data: Interactions, settings: SASRecSettings, generator: torch.Generator) -> None:
        super().__init__(data, settings, generator)
        self._objective = settings.objective
        self.blocks = nn.ModuleList(_Block(settings, generator) for _ in range(settings.blocks))
        self.norm = _Norm(settings.dim)

    def encode(self, token_RTD: Tensor, time_RT: Tensor | None) -> Tensor:
        del time_RT
        x_RTD = token_RTD
        for block in self.blocks:
            x_RTD = block(x_RTD, self.dropped)
        normed_RTD: Tensor = self.norm(x_RTD)
        return normed_RTD

    def factors(self, state_XD: Tensor) -> Tensor:
        return state_XD

    def item_factors(self) -> Tensor:
        return self.item

    @property
    def sequence_loss(self) -> SequenceLoss:
        return self._objective


class _Norm(nn.Module):
    """Layer normalisation with a scale and a shift."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))
        self.shift = nn.Parameter(torch.zeros(dim))

    def forward(self, x_XD: Tensor) -> Tensor:
        return layer_norm(x_XD, self.scale.shape, self.scale, self.shift)


class _Block(nn.Module):
    """One block; its weights are drawn by Glorot & Bengio (AISTATS 2010), uniform."""

    def __init__(self, settings: SASRecSettings, generator: torch.Generator) -> None:
        super().__init__()
        dim, self._heads = settings.dim, settings.heads
        self.attend, self.feed = _Norm(dim), _Norm(dim)
        self.qkv = nn.Parameter(torch.empty(3 * dim, dim))
        self.inner, self.outer = (nn.Parameter(torch.empty(dim, dim)) for _ in range(2))
        self.inner_bias, self.outer_bias = (nn.Parameter(torch.zeros(dim)) for _ in range(2))
        for weight in (*self.qkv.chunk(3), self.inner, self.outer):
            nn.init.xavier_uniform_(weight, generator=generator)

    def forward(self, x_RTD: Tensor, drop: Drop) -> Tensor:
        """Equations 2 to 6: x ← x + drop(SA(LN x)), then x ← x + drop(FFN(LN x))."""
        query_RTD, key_RTD, value_RTD = linear(self.attend(x_RTD), self.qkv).chunk(3, dim=-1)
        x_RTD = x_RTD + drop(softmax_attention(query_RTD, key_RTD, value_RTD, self._heads, drop))
        hidden_RTD = linear(self.feed(x_RTD), self.inner, self.inner_bias).relu()
        return x_RTD + drop(linear(drop(hidden_RTD), self.outer, self.outer_bias))


def softmax_attention(query_RTD: Tensor, key_RTD: Tensor, value_RTD: Tensor, heads: int, drop: Drop) -> Tensor:
    """softmax(QKᵀ/√d) V head by head, over the tokens up to one's own (equation 2 and section III-B)."""
    query, key, value = (split_heads(x_RTD, heads) for x_RTD in (query_RTD, key_RTD, value_RTD))
    logit_RHTT = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])
    later_TT = torch.ones(logit_RHTT.shape[2:], dtype=torch.bool, device=logit_RHTT.device).triu(1)
    weight_RHTT = drop(logit_RHTT.masked_fill(later_TT, -torch.inf).softmax(-1))
    return joined_heads(weight_RHTT @ value)
