"""What the sequential backbones share: tokens and positions in, one forward a step, a user factor from the last state.

Before a user's first item stands a start vector, so that the first item is something to predict too, and a user without
training items has a factor. State t (after the start and t items) predicts item t + 1; the user factor is the last one.
Where times are read, the start stands at the time of the first item that is read.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn.functional import embedding, softplus

from rcekd.datasets import History, Interactions
from rcekd.kernels.list_scores import list_scores
from rcekd.models.base import Backbone, Batch, ModelSettings
from rcekd.models.histories import Histories, blocks, histories
from rcekd.models.keyed_dropout import KeyedDropout
from rcekd.models.step_cache import StepCache

# Numbers that encoding a block of users may keep at once; 32 MiB of float32.
BLOCK_NUMBERS = 8 << 20
INIT_STD = 0.02

SequenceLoss = Literal["softmax", "bce"]
Drop = Callable[[Tensor], Tensor]
"""Dropout, as a block is handed it."""


class SequentialSettings(ModelSettings):
    """Settings of both sequential backbones."""

    dim: PositiveInt = Field(default=64, description="width D of item vectors, states and factors")
    blocks: NonNegativeInt = Field(default=2, description="attention blocks")
    heads: PositiveInt = Field(default=1, description="attention heads; they share the width")
    window: PositiveInt = Field(default=50, description="how many of a user's last interactions are read")
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0, description="share of numbers dropped in training")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim={self.dim} cannot be shared by heads={self.heads}; give a multiple of it")
        return self

    def of_width(self, dim: int) -> Self:
        """The nearest width that the heads can share."""
        return super().of_width(max(1, round(dim / self.heads)) * self.heads)


class SequentialBackbone(Backbone):
    """A causal encoder over item vectors and positions; a subclass says what its blocks do."""

    def __init__(self, data: Interactions, settings: SequentialSettings, generator: torch.Generator) -> None:
        super().__init__()
        self._reads_times = settings.reads_times(data)
        self._data = data
        self._window = settings.window
        self._heads = settings.heads
        self._cache = StepCache(self)
        self._dropout = KeyedDropout(settings.dropout)
        self.item = nn.Parameter(torch.empty(data.n_items, settings.dim))
        self.start = nn.Parameter(torch.empty(settings.dim))
        self.position = nn.Parameter(torch.empty(settings.window, settings.dim))
        with torch.no_grad():
            for table in (self.item, self.start, self.position):
                table.normal_(std=INIT_STD, generator=generator)

    @abstractmethod
    def encode(self, token_RTD: Tensor, time_RT: Tensor | None) -> Tensor:
        """States [R, T, D] of token sequences; state t reads tokens 0 … t.

        time_RT: when the tokens happened; None where the model does not read times, or the histories have none.
        """

    @abstractmethod
    def factors(self, state_XD: Tensor) -> Tensor:
        """The factors that stand for states, to be multiplied with `item_factors`."""

    @property
    def sequence_loss(self) -> SequenceLoss:
        """Which loss predicts the next item."""
        return "softmax"

    def loss(self, batch: Batch) -> Tensor:
        """Σ over interactions of the loss of predicting each from those before it."""
        user_R, count_R = torch.unique_consecutive(batch.user_B.long(), return_counts=True)
        state_RTD, row_R, length_R = self._read(user_R)
        if bool((count_R > length_R).any()):
            raise ValueError(f"a batch holds more interactions of a user than the window of {self._window} shows")
        before_R = count_R.cumsum(0) - count_R
        within_B = torch.arange(batch.user_B.numel(), device=count_R.device) - before_R.repeat_interleave(count_R)
        first_R = row_R * state_RTD.shape[1] + length_R - count_R
        place_B = within_B + first_R.repeat_interleave(count_R)
        factor_BD = self.factors(state_RTD.flatten(0, 1).index_select(0, place_B))
        listed_BW = torch.cat([batch.positive_B[:, None], batch.negative_BN], 1)
        return next_item_loss(list_scores(factor_BD, self.item_factors(), listed_BW), self.sequence_loss)

    def user_factors(self, users_B: Tensor | None = None) -> Tensor:
        if users_B is None:
            return self.factors_after(self._data.train_history)
        if not users_B.numel():
            return self.item.new_zeros(0, self.dim)
        state_RTD, row_B, length_B = self._read(users_B.long())
        return self.factors(state_RTD[row_B, length_B])

    def factors_after(self, history: History) -> Tensor:
        """Factors [rows, D] of users with these histories, each in the order of time."""
        # A square of attention a head; with times one of biases more, and one of buckets, twice as wide.
        squares = self._heads + 3 * self._reads_times
        found = list(blocks(history.rows, self._window, 8 * self.dim, BLOCK_NUMBERS // squares))
        factor = [self._last(self._histories(history, row_R)) for row_R in found]
        place_U = torch.argsort(torch.cat(found))
        return torch.cat(factor)[place_U.to(self.item.device)]

    @property
    def dim(self) -> int:
        return self.item.shape[1]

    @property
    def window(self) -> int:
        return self._window

    @property
    def reads_times(self) -> bool:
        return self._reads_times

    def begin_epoch(self, seed: int, epoch: int) -> None:
        self._dropout.begin(seed, epoch)

    def dropped(self, x: Tensor) -> Tensor:
        """`x` after dropout."""
        return self._dropout(x, training=self.training)

    def _read(self, user_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States [R, T, D] of the step's users, the row of each of `user_B` in them, and how many items it has read.

        The base loss and the distillation loss ask for the same users: the states are kept until the step is over.
        """
        history = self._data.train_history
        user_R, state_RTD = self._cache.find("users"), self._cache.find("states")
        row_B = None if user_R is None or state_RTD is None else _find(user_R, user_B)
        if row_B is None or state_RTD is None:
            user_R, row_B = torch.unique(user_B, return_inverse=True)
            self._cache.keep("users", user_R)
            state_RTD = self._cache.keep("states", self._states(self._histories(history, user_R)))
        length_B = history.rows.lengths()[user_B.to(history.rows.indptr.device)].clamp(max=self._window)
        return state_RTD, row_B, length_B.to(user_B.device)

    def _histories(self, history: History, row_R: Tensor) -> Histories:
        """What is read of some rows, on the model's device, wherever the rows are."""
        rows, time = history.rows, history.time if self._reads_times else None
        return histories(rows, row_R.to(rows.indptr.device), self._window, time).to(self.item.device)

    def _states(self, read: Histories) -> Tensor:
        """States [R, T + 1, D] after the start and each item."""
        rows, longest = read.item_RT.shape
        item_RTD = embedding(read.item_RT, self.item)
        token_RTD = torch.cat([self.start.expand(rows, 1, -1), item_RTD], 1) * self.dim**0.5
        # The last place of a full window is one that no base loss asks for: it shares the vector of the place before.
        place_T = torch.arange(longest + 1, device=read.item_RT.device).clamp(max=self._window - 1)
        time_RT = None if read.time_RT is None else _with_start(read.time_RT)
        return self.encode(self.dropped(token_RTD + embedding(place_T, self.position)), time_RT)

    def _last(self, read: Histories) -> Tensor:
        state_RTD = self._states(read)
        return self.factors(state_RTD[torch.arange(state_RTD.shape[0], device=state_RTD.device), read.length_R])


def _with_start(time_RT: Tensor) -> Tensor:
    """Times [R, T + 1] of the start and the items."""
    first_R1 = time_RT[:, :1] if time_RT.shape[1] else time_RT.new_zeros(time_RT.shape[0], 1)
    return torch.cat([first_R1, time_RT], 1)


def _find(user_R: Tensor, user_B: Tensor) -> Tensor | None:
    """The place of each of `user_B` among the ascending `user_R`; None where one is not there."""
    row_B = torch.searchsorted(user_R, user_B).clamp(max=user_R.numel() - 1)
    return row_B if bool((user_R[row_B] == user_B).all()) else None


def next_item_loss(score_BW: Tensor, kind: SequenceLoss) -> Tensor:
    """Loss of the item in column 0 against the negatives in the others, summed over rows: a scalar.

    softmax: −log of the item's share in the softmax over the row. bce: −log σ(s⁺) − the mean of log σ(−s⁻).
    """
    if kind == "softmax":
        return (torch.logsumexp(score_BW, 1) - score_BW[:, 0]).sum()
    return softplus(-score_BW[:, 0]).sum() + softplus(score_BW[:, 1:]).mean(1).sum()


def split_heads(x_RTD: Tensor, heads: int) -> Tensor:
    """[R, T, H · d] as [R, H, T, d]."""
    return x_RTD.view(*x_RTD.shape[:2], heads, -1).transpose(1, 2)


def joined_heads(x_RHTd: Tensor) -> Tensor:
    """[R, H, T, d] as [R, T, H · d]."""
    return x_RHTd.transpose(1, 2).flatten(2)
