"""LightGCN (He et al., SIGIR 2020, arXiv 2002.02126): vectors averaged over a few hops of the training graph.

With e⁰ the learnt tables, and users and items joined by every distinct training pair once (equations 3 to 6):

    eᵏ⁺¹_u = Σ_{i ∈ N_u} eᵏ_i / √(|N_u| |N_i|),   eᵏ⁺¹_i likewise,   e = (e⁰ + … + eᴸ) / (L + 1),   s_ui = e_u · e_i

and BPR on these scores. The paper's L2 on e⁰ is the optimiser's coupled weight decay here, on all of the tables.
"""

from types import MappingProxyType
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor, nn

from rcekd.datasets import Interactions
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.bpr import bpr_loss
from rcekd.kernels.propagate import layer_mean
from rcekd.models.base import Backbone, Batch, ModelSettings
from rcekd.models.step_cache import StepCache
from rcekd.streams import stream


class LightGCNSettings(ModelSettings):
    """Settings of LightGCN."""

    TEACHER = MappingProxyType({"dim": 400})

    model: Literal["lightgcn"] = "lightgcn"
    dim: int = Field(default=20, ge=1, le=16384, description="width D of the user and item vectors")
    layers: int = Field(default=3, ge=1, le=16, description="hops over the graph; 0 would be mf")
    init_std: PositiveFloat = Field(default=0.1, description="standard deviation of the normal initial values")
    edge_dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="share of edges left out in training, drawn anew each epoch"
    )


class LightGCN(Backbone):
    """score(u, i) = e_u · e_i, e the mean of a node's layers 0 … L.

    A user or an item without training interactions has its layer 0 alone, divided by L + 1.
    """

    name: ClassVar[str] = "lightgcn"

    def __init__(self, data: Interactions, settings: LightGCNSettings, generator: torch.Generator) -> None:
        super().__init__()
        self._data = data
        self._layers, self._edge_dropout = settings.layers, settings.edge_dropout
        self._cache = StepCache(self)
        self._thinned: BipartiteGraph | None = None
        self.user = nn.Parameter(torch.empty(data.n_users, settings.dim))
        self.item = nn.Parameter(torch.empty(data.n_items, settings.dim))
        with torch.no_grad():
            self.user.normal_(std=settings.init_std, generator=generator)
            self.item.normal_(std=settings.init_std, generator=generator)

    @property
    def is_recordable(self) -> bool:
        return True

    def begin_epoch(self, seed: int, epoch: int) -> None:
        """Draw the edges that this epoch trains on; until the first call it is all of them."""
        if self._edge_dropout:
            generator = stream(seed, "edge dropout", epoch)
            self._thinned = self._data.graph.dropped(self._edge_dropout, generator)
            self._cache = StepCache(self)  # the same parameters on another graph

    def loss(self, batch: Batch) -> Tensor:
        """Σ over the batch of the mean over negatives of −log σ(s⁺ − s⁻)."""
        return bpr_loss(self._users(), self._items(), batch.user_B, batch.positive_B, batch.negative_BN)

    def user_factors(self, users_B: Tensor | None = None) -> Tensor:
        user_UD = self._users()
        return user_UD if users_B is None else nn.functional.embedding(users_B.long(), user_UD)

    def item_factors(self) -> Tensor:
        return self._items()

    @property
    def dim(self) -> int:
        return self.user.shape[1]

    def _users(self) -> Tensor:
        return self._propagated("user")

    def _items(self) -> Tensor:
        return self._propagated("item")

    def _propagated(self, side: str) -> Tensor:
        """The averaged table of a side; both are made together, once a step."""
        found = self._cache.find(side)
        if found is not None:
            return found
        user_UD, item_ID = layer_mean(self._graph(), self.user, self.item, self._layers)
        tables = {"user": self._cache.keep("user", user_UD), "item": self._cache.keep("item", item_ID)}
        return tables[side]

    def _graph(self) -> BipartiteGraph:
        thinned = self._thinned if self.training else None
        return (self._data.graph if thinned is None else thinned).to(self.user.device)
