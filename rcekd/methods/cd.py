"""CD, Collaborative Distillation (Lee et al., ICDM 2019): the teacher's softened probability of rank-aware samples.

    p(k) ∝ e^(−(k / R) / T) over the guide's ranks k = 1 … R, training items left out
    a sample is the better of two ranks drawn by p; n of them per user
    q_i = σ((t_i + t₂) / t₁)
    L_CD = −Σ_i [ q_i log σ(s_i) + (1 − q_i) log(1 − σ(s_i)) ]

The guide is the student, ranked anew and sampled anew each epoch, or the teacher, whose ranking is fixed. The paper
distinguishes the two; its ranges of R, T and n could not be read (only its abstract could), so the defaults are those
of the codes that compare with CD (chengang95/UnKD and woriazzc/KDs, which agree but for n: 50 and 2).

`variant: code` draws with repeats: both codes collect samples in a set of tensor objects, which never compare equal.
The paper variant keeps n different items. As T = 20 applies to k / R ≤ 1, p is nearly flat: the bias to the top comes
from the choice of the better one. The UnKD code calls itself student-guided but samples once from the teacher's
ranking."""

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from rcekd.datasets import Interactions
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.topk import topk
from rcekd.methods.base import Method, require_started
from rcekd.methods.common.item_sets import ragged
from rcekd.methods.common.ranges import Temperature
from rcekd.methods.common.sampling import blocks, geometric_ranks, take, tournament_places
from rcekd.methods.common.variants import VariantSettings
from rcekd.models import Backbone, Batch
from rcekd.streams import stream
from rcekd.teachers import TeacherKnowledge


class CDSettings(VariantSettings):
    """Settings of CD."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {"paper": {"distinct": True}, "code": {"distinct": False}}

    name: Literal["cd"] = "cd"
    weight: float = Field(default=0.1, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    guide: Literal["student", "teacher"] = Field(default="student", description="whose ranking is sampled")
    pool: PositiveInt = Field(default=3000, alias="R", description="R: ranks sampled from, at most the catalogue's")
    tau: Temperature = Field(default=20.0, alias="T", description="T of the rank law, in units of R ranks")
    draws: PositiveInt = Field(default=50, alias="n", description="n: items per user and epoch")
    t1: Temperature = Field(default=2.0, description="t₁: temperature of the teacher's score")
    t2: float = Field(default=0.0, description="t₂: shift of the teacher's score")
    distinct: bool = Field(default=True, description="whether the n items of a user are different ones")

    def list_lengths(self) -> dict[str, int]:
        return {"n": self.draws}


class CD(Method):
    """Binary cross-entropy to the teacher's softened probabilities on sampled items."""

    name: ClassVar[str] = "cd"
    citation: ClassVar[str] = "Lee et al., Collaborative Distillation for Top-N Recommendation, ICDM 2019, 1911.05276"
    cost: ClassVar[str] = "B·n·D a step; one scan for the top R an epoch (guide=student)"
    use: ClassVar[str] = "where the teacher's scores are probabilities worth copying, not only its order"

    def __init__(self, settings: CDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings, self._knowledge, self._data, self._seed = settings, teacher, data, seed
        self._pool = min(settings.pool, data.n_items)
        self._follows = settings.guide == "student"
        self._item_UN: Tensor | None = None
        self._target_UN = torch.empty(0)

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        with self.clock.phase("sampling"):
            item_UN = self._of_students_ranking(student, epoch) if self._follows else self._of_teachers_ranking(epoch)
        with self.clock.phase("teacher scores"):
            self._target_UN = self._targets(item_UN)
        self._item_UN = item_UN

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        user_R, weight_R = self.rows(batch)
        item_RN = require_started(self._item_UN)[user_R]
        score_RN = list_scores(student.user_factors(user_R), student.item_factors(), item_RN)
        weight_RN = weight_R[:, None] * (item_RN >= 0)
        return binary_cross_entropy_with_logits(score_RN, self._target_UN[user_R], weight_RN, reduction="sum")

    def _of_teachers_ranking(self, epoch: int) -> Tensor:
        """The epoch's items, int32 [U, n]."""
        ranked_UM = self._knowledge.top_items(self._pool, self._data.seen)
        return take(ranked_UM, self._places(ranked_UM.shape[1], (ranked_UM >= 0).sum(1), epoch))

    def _of_students_ranking(self, student: Backbone, epoch: int) -> Tensor:
        """The same. No more of the ranking is held than the users of a block need: R is long."""
        seen, tables = self._data.seen, student.tables()
        place_UN = self._places(self._pool, (self._data.n_items - seen.lengths()).clamp(max=self._pool), epoch)
        user_U = torch.arange(place_UN.shape[0], dtype=torch.int32, device=place_UN.device)
        item_UN = user_U.new_empty(place_UN.shape)
        for rows in blocks(place_UN.shape[0], self._pool):
            ranked_BM, _ = topk(tables.user_UD, tables.item_ID, self._pool, users_B=user_U[rows], seen=seen)
            item_UN[rows] = take(ranked_BM, place_UN[rows])
        return item_UN

    def _places(self, ranks: int, length_U: Tensor, epoch: int) -> Tensor:
        """Places in rankings of at most `ranks` items, of these lengths: int64 [U, n], −1 padded."""
        settings, generator = self._settings, stream(self._seed, "cd", epoch)
        scale = settings.pool * settings.tau
        if settings.distinct:
            return tournament_places(ranks, scale, length_U, settings.draws, generator)
        length_UN = length_U[:, None].expand(-1, settings.draws)
        first_UN, second_UN = (geometric_ranks(scale, length_UN, generator) for _ in range(2))
        return torch.minimum(first_UN, second_UN).masked_fill(length_UN == 0, -1)

    def _targets(self, item_UN: Tensor) -> Tensor:
        """q of every drawn item, [U, n]; 0 at padding."""
        indptr, items = ragged(item_UN)
        score = self._knowledge.scores(
            torch.arange(item_UN.shape[0], dtype=torch.int32, device=item_UN.device), indptr, items
        )
        target_UN = score.new_zeros(item_UN.shape)
        target_UN[item_UN >= 0] = torch.sigmoid((score + self._settings.t2) / self._settings.t1)
        return target_UN
