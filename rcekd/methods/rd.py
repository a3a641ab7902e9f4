"""RD, Ranking Distillation (Tang & Wang, KDD 2018): the teacher's top K unobserved items become weighted positives.

    L_RD = −Σ_{r = 1..K} w_r log σ(s_{u, P_r}),   P = the teacher's top K, training items left out
    position weight      a_r ∝ e^(−r / λ_a), Σ_r a_r = 1
    discrepancy weight   b_r = tanh(max(μ (r̂_r − r), 0)), r̂_r = ⌊(I − 1) n_r / Q⌋ + 1
    w = a in the first epochs, then w_r = a_r b_r / Σ a b

where n_r of Q random unobserved items score above P_r. P is fixed, the Q items are redrawn each epoch, r̂ follows the
student step by step, and no gradient passes through w. That the paper divides a·b by its sum is from memory, not read;
the code of the UnKD paper (chengang95/UnKD) does so.

`variant: code`, the authors' graytowne/rank_distill (read): a·b is left as it is, so that the loss shrinks as the
student learns the list; r̂ = ⌊I · share⌋ against r − 1. Both codes draw the Q items with replacement (the authors per
training sequence); here they are drawn per user without replacement. The authors add α L_RD to the base loss, others
weigh the two by 1 − α and α: λ is α, or α / (1 − α)."""

from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import logsigmoid

from rcekd.datasets import Interactions
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.unseen_draws import unseen_draws
from rcekd.methods.base import Method
from rcekd.methods.common.ranges import Temperature
from rcekd.methods.common.variants import VariantSettings
from rcekd.models import Backbone, Batch
from rcekd.streams import stream_seed
from rcekd.teachers import Need, TeacherKnowledge


class RDSettings(VariantSettings):
    """Settings of RD."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"renormalise": True}, "code": {"renormalise": False}}

    name: Literal["rd"] = "rd"
    weight: float = Field(default=1.0, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    top_k: PositiveInt = Field(default=30, alias="K", description="K: length of the teacher's list")
    position_scale: Temperature = Field(default=1.0, description="λ_a: ranks over which the position weight decays")
    sharpness: PositiveFloat = Field(default=0.1, alias="mu", description="μ: sharpness of the discrepancy weight")
    samples: PositiveInt = Field(default=100, alias="Q", description="Q: random items that estimate the student's rank")
    warm_up: NonNegativeInt = Field(default=10, description="epochs with the position weight alone")
    renormalise: bool = Field(default=True, description="whether the product of both weights is made to add up to 1")

    def needs(self) -> frozenset[Need]:
        return frozenset({"lists"})

    def at_once(self) -> Self:
        return self.model_copy(update={"warm_up": 0})

    def list_lengths(self) -> dict[str, int]:
        return {"K": self.top_k, "Q": self.samples}


class RD(Method):
    """Weighted log-likelihood of the teacher's list as positives."""

    name: ClassVar[str] = "rd"
    citation: ClassVar[str] = "Tang & Wang, Ranking Distillation, KDD 2018, arXiv 1809.07428"
    cost: ClassVar[str] = "B·(K + Q)·D a step; U·Q draws an epoch"
    use: ClassVar[str] = "the first of its kind: needs nothing but the teacher's lists"

    def __init__(self, settings: RDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings, self._seed, self._data = settings, seed, data
        self._item_UK = teacher.top_items(settings.top_k, data.seen)
        rank_K = torch.arange(1, settings.top_k + 1, dtype=torch.float64, device=data.device)
        self._position_K = torch.softmax(-rank_K / settings.position_scale, dim=0).float()
        self._reach = data.n_items - 1 if settings.variant == "paper" else data.n_items
        self._sample_UQ: Tensor | None = None

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del student
        self._sample_UQ = None
        if epoch >= self._settings.warm_up:
            with self.clock.phase("sampling"):
                key = stream_seed(self._seed, "rd", epoch)
                draws = self._settings.samples
                self._sample_UQ = unseen_draws(self._data.seen, self._data.n_items, draws, seed=key, epoch=epoch)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        user_R, weight_R = self.rows(batch)
        user_RD, item_ID, item_RK = student.user_factors(user_R), student.item_factors(), self._item_UK[user_R]
        score_RK = list_scores(user_RD, item_ID, item_RK)
        missing_RK = item_RK < 0
        position_RK = self._position_K.masked_fill(missing_RK, 0.0)
        if self._sample_UQ is None:
            importance_RK = torch.where(missing_RK.any(1, keepdim=True), _shares(position_RK), position_RK)
        else:
            with torch.no_grad():
                sample_RQ = self._sample_UQ[user_R]
                sample_score_RQ = list_scores(user_RD, item_ID, sample_RQ)
                rank_RK = estimated_rank(score_RK, sample_score_RQ, sample_RQ >= 0, self._reach)
                importance_RK = self._hybrid(position_RK, rank_RK)
        return -(weight_R[:, None] * importance_RK * logsigmoid(score_RK)).masked_fill(missing_RK, 0.0).sum()

    def _hybrid(self, position_RK: Tensor, rank_RK: Tensor) -> Tensor:
        """a·b, with ranks counted from 0 on both sides; a row whose every item the student ranks well keeps 0."""
        behind_RK = rank_RK - torch.arange(rank_RK.shape[1], device=rank_RK.device)
        weight_RK = position_RK * (self._settings.sharpness * behind_RK).clamp(min=0.0).tanh()
        return _shares(weight_RK) if self._settings.renormalise else weight_RK


def estimated_rank(score_RK: Tensor, sample_RQ: Tensor, known_RQ: Tensor, reach: int) -> Tensor:
    """r̂, int64 [R, K], counting from 0: ⌊reach · share⌋ by the share of the known samples with a higher score.

    In integers: where it comes out whole, a rounded share would make one less of it.
    """
    sorted_RQ = sample_RQ.masked_fill(~known_RQ, -torch.inf).sort(dim=1).values
    above_RK = sorted_RQ.shape[1] - torch.searchsorted(sorted_RQ, score_RK.detach(), right=True)
    return above_RK * reach // known_RQ.sum(1, keepdim=True).clamp(min=1)


def _shares(weight_RK: Tensor) -> Tensor:
    """Each row divided by its sum; a row of zeros stays one."""
    return weight_RK / weight_RK.sum(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
