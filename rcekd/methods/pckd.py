"""PCKD: DE whose projectors keep the student's own preferences (Zhu & Zhang, TKDE 2025, arXiv 2311.04549v2).

A projector can make the student's factors look like the teacher's and yet disturb the order of items that they mean.
With φ DE's gated experts, y_ui = s_u · s_i and y'_ui = φ(s_u) · φ(s_i), over Q items of the teacher's top mxK, drawn
for every user and epoch by p ∝ e^(−rank/T) without replacement:

    list   −Σ_i softmax(y / τ)_i log softmax(y' / τ)_i
    pair   −log σ((y'_1 − y'_2) (y_1 − y_2)),  Q = 2
    L = L_DE + α Σ_interactions of the batch, list or pair of their user

s is a constant in the regulariser: only the projectors move. Training items may be drawn. As in the authors' code
(class CPD in woriazzc/KDs), it is a sum per training interaction beside DE's sums per distinct entity. There, Gumbel
noise is drawn anew for the regulariser, so that y' belongs to another φ than the loss; here one noise per entity and
epoch serves both. The text could not be read; its hybrid of the two regularisers, of which that code has no trace, is
not offered.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.nn.functional import embedding, logsigmoid

from rcekd.datasets import Interactions
from rcekd.kernels.list_scores import list_scores
from rcekd.methods.common.entities import entities, gather
from rcekd.methods.common.experts import gumbel
from rcekd.methods.common.feature_settings import ExpertSettings
from rcekd.methods.common.ranges import Temperature
from rcekd.methods.de import DE
from rcekd.models import Backbone, Batch
from rcekd.teachers import Need, TeacherKnowledge


class PCKDSettings(ExpertSettings):
    """Settings of PCKD."""

    name: Literal["pckd"] = "pckd"
    weight: float = Field(default=0.05, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    alpha: float = Field(default=0.1, ge=0.0, description="α: weight of the regulariser beside DE's loss")
    regulariser: Literal["list", "pair"] = Field(default="list", description="what keeps the preferences")
    pool: PositiveInt = Field(
        default=100, alias="mxK", description="mxK: items are drawn from the teacher's top so many"
    )
    draws: PositiveInt = Field(default=5, alias="Q", description="Q: items drawn per user and epoch")
    rank_tau: Temperature = Field(default=10.0, alias="T", description="T of the draws by e^(−rank/T)")
    tau: Temperature = Field(default=0.1, description="τ: temperature of both softmaxes (list)")

    @model_validator(mode="after")
    def _check_draws(self) -> "PCKDSettings":
        if self.regulariser == "pair" and self.draws != 2:
            raise ValueError(f"regulariser=pair compares two items; set Q=2, not {self.draws}")
        if self.draws > self.pool:
            raise ValueError(f"Q={self.draws} items cannot be drawn from mxK={self.pool}; give a larger mxK")
        return self

    def needs(self) -> frozenset[Need]:
        return super().needs() | {"lists"}

    def list_lengths(self) -> dict[str, int]:
        return {"mxK": self.pool}


class PCKD(DE):
    """DE's loss and a regulariser of its projectors."""

    name: ClassVar[str] = "pckd"
    citation: ClassVar[str] = "Zhu & Zhang, Preference-Consistent KD for Recommender System, TKDE 2025, 2311.04549v2"
    cost: ClassVar[str] = "DE's, and the same again for users and up to B·Q items, a step"
    use: ClassVar[str] = "as DE, where its projectors disturb what the student ranks"

    _settings: PCKDSettings

    def __init__(self, settings: PCKDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings, teacher, data, seed)
        settings.check_catalogue(data)
        self._weighting = "interaction"  # of the regulariser
        self._knowledge = teacher
        self._list_UQ: Tensor

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        super().start_epoch(student, epoch)
        with self.clock.phase("sampling"):
            self._list_UQ = self._drawn_items(epoch)

    def _drawn_items(self, epoch: int) -> Tensor:
        """int32 [U, Q]: Q of the teacher's top mxK without replacement, by the largest Gumbel-perturbed weights."""
        pool_UM = self._knowledge.top_items(self._settings.pool)
        place_M = torch.arange(pool_UM.shape[1], dtype=torch.float32, device=pool_UM.device)
        noise_UM = gumbel(self._seed, "pckd.items", epoch, *pool_UM.shape).to(pool_UM.device)
        key_UM = noise_UM - place_M / self._settings.rank_tau
        return pool_UM.gather(1, key_UM.masked_fill(pool_UM < 0, -torch.inf).topk(self._settings.draws, dim=1).indices)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        found = entities(batch)
        user_RD, item_RD = gather(student, found)
        features = self.distance(found, user_RD, item_RD, 0.5 * found.place_R)
        regulariser = self._regulariser(user_RD.detach(), student.item_factors().detach(), batch)
        return features + self._settings.alpha * regulariser

    def _regulariser(self, user_RD: Tensor, item_ID: Tensor, batch: Batch) -> Tensor:
        """The sum over a batch's interactions; user_RD: its distinct users, ascending."""
        user_R, weight_R = self.rows(batch)
        item_RQ = self._list_UQ[user_R].long()
        own_RQ = list_scores(user_RD, item_ID, item_RQ)
        # Every item of all lists is projected once; padding stands for item 0 and is masked.
        item_N, place_RQ = torch.unique(item_RQ.clamp(min=0), return_inverse=True)
        projected_NT = self.project_items(embedding(item_N, item_ID), item_N)
        place_RQ = place_RQ.masked_fill(item_RQ < 0, -1)
        projected_RQ = list_scores(self.project_users(user_RD, user_R), projected_NT, place_RQ)
        return (weight_R * self._consistency(own_RQ, projected_RQ, item_RQ < 0)).sum()

    def _consistency(self, own_RQ: Tensor, projected_RQ: Tensor, absent_RQ: Tensor) -> Tensor:
        """How little the projected scores agree with the student's own, [R]."""
        if self._settings.regulariser == "pair":
            gap_R = (projected_RQ[:, 0] - projected_RQ[:, 1]) * (own_RQ[:, 0] - own_RQ[:, 1])
            return -logsigmoid(gap_R).masked_fill(absent_RQ.any(1), 0.0)
        target_RQ = torch.softmax((own_RQ / self._settings.tau).masked_fill(absent_RQ, -torch.inf), dim=1)
        log_q_RQ = torch.log_softmax((projected_RQ / self._settings.tau).masked_fill(absent_RQ, -torch.inf), dim=1)
        return -(target_RQ * log_q_RQ.masked_fill(absent_RQ, 0.0)).sum(1)
