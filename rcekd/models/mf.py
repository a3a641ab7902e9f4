"""Matrix factorisation trained with BPR (Rendle et al., UAI 2009, arXiv 1205.2618): a vector per user and per item."""

from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from rcekd.datasets import Interactions
from rcekd.kernels.bpr import bpr_loss
from rcekd.models.base import Backbone, Batch, ModelSettings


class MFSettings(ModelSettings):
    """Settings of matrix factorisation."""

    TEACHER = MappingProxyType({"dim": 400})

    model: Literal["mf"] = "mf"
    dim: int = Field(default=20, ge=1, le=16384, description="width D of the user and item vectors")
    init_std: PositiveFloat = Field(default=0.01, description="standard deviation of the normal initial values")


class MF(Backbone):
    """score(u, i) = user_UD[u] · item_ID[i], no biases."""

    name: ClassVar[str] = "mf"

    def __init__(self, data: Interactions, settings: MFSettings, generator: torch.Generator) -> None:
        super().__init__()
        self.user = nn.Parameter(torch.empty(data.n_users, settings.dim))
        self.item = nn.Parameter(torch.empty(data.n_items, settings.dim))
        with torch.no_grad():
            self.user.normal_(std=settings.init_std, generator=generator)
            self.item.normal_(std=settings.init_std, generator=generator)

    @property
    def is_recordable(self) -> bool:
        return True

    def loss(self, batch: Batch) -> Tensor:
        """Σ over the batch of the mean over negatives of −log σ(s⁺ − s⁻)."""
        return bpr_loss(self.user, self.item, batch.user_B, batch.positive_B, batch.negative_BN)

    def user_factors(self, users_B: Tensor | None = None) -> Tensor:
        return self.user if users_B is None else nn.functional.embedding(users_B.long(), self.user)

    def item_factors(self) -> Tensor:
        return self.item

    @property
    def dim(self) -> int:
        return self.user.shape[1]
