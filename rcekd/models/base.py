"""What every backbone answers: a loss for a batch, and a pair of factor tables whose inner products are its scores."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from rcekd.datasets import History, Interactions
from rcekd.settings import Settings


class Batch(NamedTuple):
    """Training interactions of one step.

    user_B, positive_B: int32 [B]. negative_BN: int32 [B, N], items the user has no training interaction with. For a
    backbone with a window, a batch holds all of a user's last `window` interactions or none: its rows are grouped by
    user, and within a user they stand in the order of `data.train`.
    """

    user_B: Tensor
    positive_B: Tensor
    negative_BN: Tensor


class FactorTables(NamedTuple):
    """Two float32 tables, user_UD [U, D] and item_ID [I, D], whose inner products are the scores."""

    user_UD: Tensor
    item_ID: Tensor

    @property
    def n_users(self) -> int:
        return self.user_UD.shape[0]

    @property
    def n_items(self) -> int:
        return self.item_ID.shape[0]

    def to(self, device: torch.device) -> "FactorTables":
        """The same tables on a device; no copies where they are there already."""
        return FactorTables(self.user_UD.to(device), self.item_ID.to(device))


class ModelSettings(Settings):
    """Settings of one backbone; the class of every backbone derives from this one."""

    TEACHER: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Defaults of a teacher where they differ from those of a student."""

    READS_FEATURES: ClassVar[bool] = False
    """Whether the model depends on the features of items that come with the data."""

    model: str
    dim: int

    def of_width(self, dim: int) -> Self:
        """The same model of about this width, one that its other settings allow. ValueError for none."""
        return self.model_validate({**self.model_dump(by_alias=True), "dim": dim})

    def reads_times(self, data: Interactions) -> bool:
        """Whether the model depends on when things in this data happened. InputError where it would but cannot."""
        del data
        return False


class Backbone(nn.Module, ABC):
    """A recommender. It knows no optimiser and no distillation, and computes where its parameters are.

    A backbone is made by `Backbone(data, settings, generator)`. What it needs of the data beside its parameters (a
    graph, sequences, features of items) it takes from there when it is first used, not when it is made: loading a model
    makes it on torch's meta device first. All that it learns is in its parameters; it keeps no buffers.
    """

    name: ClassVar[str]

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """The base loss of a batch, summed over its interactions: a scalar."""

    @abstractmethod
    def user_factors(self, users_B: Tensor | None = None) -> Tensor:
        """Factors [B, D] of the listed users (int [B]; None: of all users), differentiable."""

    @abstractmethod
    def item_factors(self) -> Tensor:
        """Factors [I, D] of all items, differentiable."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width D of the factors that scores are made of."""

    @property
    def window(self) -> int | None:
        """A sequential backbone learns from so many of a user's last interactions at once; None: from any of them."""
        return None

    @property
    def reads_times(self) -> bool:
        """Whether its factors depend on when things happened, not only on their order."""
        return False

    @property
    def is_recordable(self) -> bool:
        """Whether a step on a batch can be recorded on a GPU and played back for other batches of the epoch.

        It can where `loss` and the factors follow from the parameters, the ids in the batch and what `begin_epoch`
        made, draw nothing, count nothing, and never wait for the device.
        """
        return False

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Whatever is drawn until the next call (dropout) is to depend on nothing but (seed, epoch) and the batches."""
        del seed, epoch

    def factors_after(self, history: History) -> Tensor:
        """Factors [U, D] once users have done this, rows in the order of time; without a window, as they are."""
        del history
        return self.user_factors()

    def tables(self, history: History | None = None) -> FactorTables:
        """Both tables as they are now, detached and without dropout; not copies where the model stores them so.

        history: what users have done, instead of `data.train`; only a backbone with a window reads it.
        """
        was_training = self.training
        self.eval()
        with torch.no_grad():
            user_UD = self.user_factors() if history is None else self.factors_after(history)
            tables = FactorTables(user_UD.detach(), self.item_factors().detach())
        self.train(was_training)
        return tables

    def modality_tables(self) -> Mapping[str, FactorTables]:
        """A pair of tables per modality that it reads, detached and without dropout; most read none."""
        return {}

    def parameter_count(self) -> int:
        """Number of trained numbers."""
        return sum(parameter.numel() for parameter in self.parameters())
