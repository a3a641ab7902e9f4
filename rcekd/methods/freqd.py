"""FreqD: what is smooth on the graph of interactions first (Zhu & Zhang, KDD 2025, arXiv 2411.10676).

Distilling factors weights all graph frequencies alike; a filter H = (1 − α) I + α Ã, of response 1 − αλ at eigenvalue λ
of the Laplacian, weights low ones more. For the distinct users and items of a batch, P a projector per side:

    L = Σ_users d + ½ (Σ_positives d + Σ_negatives d),    d_e = 1 − cos([H T]_e, P([H S]_e))

a plain sum, each distinct entity once. The text could not be read. The authors' repository (woriazzc/KDs) holds two
algorithms of this name. Its later state, whose CiteULike settings are the defaults here (α 0.2, λ 0.5), is the above: Ã
the normalised bipartite graph of training interactions, and H on the student before P. An earlier one, known from its
Gowalla settings (K 5, α 0.5) and a description, joins each user to the K users with the most items in common, and
items likewise, and filters after P: `variant: neighbours`. Its edge dropout, its dropout in P and its five averaged
projectors (a slip of an argument) are left out, and `distance: squared` is what it did without normalising.

P has one hidden layer of width (D + Dᵀ)/2, as DE's single expert; in the authors' repository it has Dᵀ/2.
Both sides are filtered as `user_factors` and `item_factors` give them: for a student that propagates (LightGCN) that is
after propagation, where the authors' code takes its ID table.
"""

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn.functional import embedding

from rcekd.datasets import Interactions
from rcekd.devices import CPU
from rcekd.methods.base import Method, require_started
from rcekd.methods.common.entities import entities
from rcekd.methods.common.experts import GatedExperts
from rcekd.methods.common.feature_settings import FeatureSettings
from rcekd.methods.common.graphs import interaction_graph, low_pass, neighbour_graph
from rcekd.methods.common.topology import unit_rows
from rcekd.models import Backbone, Batch
from rcekd.streams import stream
from rcekd.teachers import TeacherKnowledge

VARIANTS: dict[str, dict[str, Any]] = {
    "interactions": {"graph": "interactions", "first": "filter", "alpha": 0.2},
    "neighbours": {"graph": "neighbours", "first": "projector", "alpha": 0.5},
}


class FreqDSettings(FeatureSettings):
    """Settings of FreqD. A setting that is not given has the value of the chosen variant."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS

    name: Literal["freqd"] = "freqd"
    variant: Literal["interactions", "neighbours"] = Field(
        default="interactions", description="the later or the earlier state of the authors' code"
    )
    weight: float = Field(default=0.5, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    alpha: float = Field(default=0.2, ge=0.0, le=1.0, description="α: strength of the filter; 0 is none")
    graph: Literal["interactions", "neighbours"] = Field(
        default="interactions", description="users with their items, or users with users and items with items"
    )
    first: Literal["filter", "projector"] = Field(
        default="filter", description="what the student's factors go through first; `projector` costs all entities"
    )
    neighbours: PositiveInt = Field(default=5, alias="K", description="K: neighbours of a node (graph=neighbours)")
    distance: Literal["cosine", "squared"] = Field(default="cosine", description="1 − cos, or ‖·‖²")


class FreqD(Method):
    """Distance of projected from teacher's factors after a low-pass filter on both."""

    name: ClassVar[str] = "freqd"
    citation: ClassVar[str] = "Zhu & Zhang, Feature-based KD for RecSys: A Frequency Perspective, KDD 2025, 2411.10676"
    cost: ClassVar[str] = "n·h·(D + Dᵀ) + (interactions + U + I)·D a step, n distinct entities, h = (D + Dᵀ)/2"
    use: ClassVar[str] = "a teacher's factors, where neighbours in the graph are to be alike"

    def __init__(self, settings: FreqDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        self._settings = settings
        self._tables = teacher.tables
        self._data = data
        self._seed = seed
        self._users: GatedExperts
        self._items: GatedExperts
        self._graph_NN: Tensor | None = None
        self._teacher_NT: Tensor

    def meet(self, student: Backbone) -> None:
        super().meet(student)
        generator = stream(self._seed, "freqd.init")
        widths = student.dim, self._tables.user_UD.shape[1]
        self._users, self._items = (GatedExperts(1, *widths, generator) for _ in range(2))
        self.trained.add_module("users", self._users)
        self.trained.add_module("items", self._items)

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del student, epoch
        if self._graph_NN is not None:
            return
        with self.clock.phase("graph"):
            data, settings = self._data, self._settings
            seen = data.seen.to(CPU)  # made once, and alike for every device
            if settings.graph == "interactions":
                graph_NN = interaction_graph(seen, data.n_items)
            else:
                graph_NN = neighbour_graph(seen, data.n_items, settings.neighbours)
            self._graph_NN = graph_NN.to(data.device)
            self._teacher_NT = low_pass(torch.cat(self._tables), self._graph_NN, settings.alpha)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        found, n_users = entities(batch), self._tables.n_users
        node_R = torch.cat([found.user_R, found.item_R + n_users])
        projected_RT = self._projected(student, require_started(self._graph_NN), node_R, found.user_R.numel())
        weight_R = torch.cat([found.place_R.new_ones(found.user_R.numel()), 0.5 * found.place_R])
        return (weight_R * self._distance(projected_RT, embedding(node_R, self._teacher_NT))).sum()

    def _projected(self, student: Backbone, graph_NN: Tensor, node_R: Tensor, n_users: int) -> Tensor:
        """The student's side of the nodes of a batch, [R, d_T]; its first `n_users` nodes are users."""
        user_UD, item_ID = student.user_factors(), student.item_factors()
        if self._settings.first == "projector":
            projected_NT = torch.cat([_alone(self._users, user_UD), _alone(self._items, item_ID)])
            return embedding(node_R, low_pass(projected_NT, graph_NN, self._settings.alpha))
        row_RD = embedding(node_R, low_pass(torch.cat([user_UD, item_ID]), graph_NN, self._settings.alpha))
        return torch.cat([_alone(self._users, row_RD[:n_users]), _alone(self._items, row_RD[n_users:])])

    def _distance(self, projected_RT: Tensor, teacher_RT: Tensor) -> Tensor:
        if self._settings.distance == "squared":
            return (projected_RT - teacher_RT).square().sum(1)
        return 1.0 - (unit_rows(projected_RT) * unit_rows(teacher_RT)).sum(1)


def _alone(expert: GatedExperts, value_RD: Tensor) -> Tensor:
    """A single expert needs no gate."""
    projected_RT: Tensor = expert(value_RD, value_RD.new_ones(value_RD.shape[0], 1))
    return projected_RT
