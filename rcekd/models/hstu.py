"""HSTU (Zhai et al., ICML 2024, arXiv 2402.17152): gated attention without a softmax over a user's last items."""

from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn
from torch.nn.functional import layer_norm, linear, normalize, silu

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.models.sequential import INIT_STD, Drop, SequentialBackbone, SequentialSettings, joined_heads, split_heads

# The authors' buckets of time: a bucket begins every factor of e^0.301 = 1.35, and the last one is open.
TIME_BUCKETS, BUCKET_LOG = 128, 0.301


class HSTUSettings(SequentialSettings):
    """Settings of HSTU."""

    TEACHER = MappingProxyType({"blocks": 8, "heads": 4})

    model: Literal["hstu"] = "hstu"
    blocks: int = Field(default=1, ge=0, description="attention blocks")
    tau: PositiveFloat = Field(default=0.05, description="τ: what cosines are divided by, in the loss and the factors")
    # on and off are YAML's other words for true and false, so that these three can be written.
    time_bias: bool | Literal["auto"] = Field(
        default=False, description="attention also biased by the time between items; auto: where the data has times"
    )

    def reads_times(self, data: Interactions) -> bool:
        if self.time_bias is True and data.times is None:
            raise InputError(
                f"model hstu: time_bias=on needs times of interactions, and {data.name} has none; "
                "name their column with data.columns.time, or use time_bias=auto"
            )
        return bool(self.time_bias) and data.times is not None


class HSTU(SequentialBackbone):
    """score(u, i) = cos(last state of u, item_ID[i]) / τ: the logits of its own softmax.

    The square root of 1/τ goes to either side, so that users' and items' factors have one length.
    """

    name: ClassVar[str] = "hstu"

    def __init__(self, data: Interactions, settings: HSTUSettings, generator: torch.Generator) -> None:
        super().__init__(data, settings, generator)
        self._length = settings.tau**-0.5
        self.blocks = nn.ModuleList(_Block(settings, generator, self.reads_times) for _ in range(settings.blocks))

    def encode(self, token_RTD: Tensor, time_RT: Tensor | None) -> Tensor:
        x_RTD = token_RTD
        bucket_RTT = None if time_RT is None else time_buckets(time_RT)
        for block in self.blocks:
            x_RTD = block(x_RTD, bucket_RTT, self.dropped)
        return x_RTD

    def factors(self, state_XD: Tensor) -> Tensor:
        factor_XD: Tensor = normalize(state_XD, dim=-1) * self._length
        return factor_XD

    def item_factors(self) -> Tensor:
        return self._cache.get("items", lambda: normalize(self.item, dim=-1) * self._length)


class _Block(nn.Module):
    """One block: U, V, Q and K in one product, a bias by distance, with times one by these, and the way out."""

    def __init__(self, settings: HSTUSettings, generator: torch.Generator, reads_times: bool) -> None:
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
            self.time_bias_K = nn.Parameter(torch.empty(TIME_BUCKETS + 1)) if reads_times else None
            if self.time_bias_K is not None:
                self.time_bias_K.normal_(std=INIT_STD, generator=generator)

    def forward(self, x_RTD: Tensor, bucket_RTT: Tensor | None, drop: Drop) -> Tensor:
        """Equations 1 to 3: x ← x + f₂(LN(attention) ⊙ U)."""
        gate, value, query, key = silu(linear(_normed(x_RTD), self.uvqk)).chunk(4, dim=-1)
        time_bias_RTT = None
        if bucket_RTT is not None and self.time_bias_K is not None:
            time_bias_RTT = bias_by_time(self.time_bias_K, bucket_RTT)
        attended_RTD = pointwise_attention(query, key, value, self.bias_HW, time_bias_RTT)
        return x_RTD + linear(drop(gate * _normed(attended_RTD)), self.out, self.out_bias)


def time_buckets(time_RT: Tensor) -> Tensor:
    """⌊ln(max(1, |time_t − time_j|)) / 0.301⌋, at most TIME_BUCKETS: int64 [R, T, T].

    Token t is at its own time; the authors' code takes the time of the item that t has yet to predict.
    """
    apart_RTT = (time_RT[:, :, None] - time_RT[:, None, :]).abs()
    # In float64, where no whole number is within rounding of the edge of a bucket.
    return (apart_RTT.double().clamp(min=1.0).log() / BUCKET_LOG).long().clamp(max=TIME_BUCKETS)


def bias_by_time(bias_K: Tensor, bucket_RTT: Tensor) -> Tensor:
    """bias_K[bucket_RTT], with a gradient that takes less time than that of indexing (bench_sequential)."""
    return bias_K.index_select(0, bucket_RTT.flatten()).view_as(bucket_RTT)


def pointwise_attention(
    query_RTD: Tensor, key_RTD: Tensor, value_RTD: Tensor, bias_HW: Tensor, time_bias_RTT: Tensor | None = None
) -> Tensor:
    """Σ_{j ≤ t} SiLU(q_t · k_j + bias(t − j) + time_bias_tj) v_j / (t + 1), head by head (equation 2)."""
    heads, window = bias_HW.shape
    query, key, value = (split_heads(x_RTD, heads) for x_RTD in (query_RTD, key_RTD, value_RTD))
    place_T = torch.arange(query.shape[2], device=query.device)
    distance_TT = place_T[:, None] - place_T
    # The longest distance in a full window is one that no base loss asks for: it shares the bias of the one before.
    bias_HTT = bias_HW[:, distance_TT.clamp(0, window - 1)]
    share_TT = (distance_TT >= 0) / (place_T[:, None] + 1)
    logit_RHTT = query @ key.transpose(2, 3) + bias_HTT
    if time_bias_RTT is not None:
        logit_RHTT = logit_RHTT + time_bias_RTT[:, None]
    return joined_heads((silu(logit_RHTT) * share_TT) @ value)


def _normed(x_XD: Tensor) -> Tensor:
    """Layer normalisation without parameters."""
    return layer_norm(x_XD, x_XD.shape[-1:], eps=1e-6)
