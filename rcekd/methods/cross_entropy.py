"""Cross-entropy distillation on one item set per user (the RCE-KD paper's eq. 1 and its baselines).

`items: teacher` is "vanilla CE" (the teacher's top K, fixed once); `student` takes the student's top K anew each
epoch; `all` is "full CE" over the whole catalogue, whose every step costs O(users of the batch · I · D).
"""

from typing import ClassVar, Literal

from pydantic import Field, PositiveInt
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.full_cross_entropy import full_cross_entropy
from rcekd.kernels.set_cross_entropy import ItemSets
from rcekd.kernels.topk import topk
from rcekd.methods.base import Method, MethodSettings, require_started
from rcekd.methods.common.item_sets import judged_sets
from rcekd.methods.common.ranges import Temperature
from rcekd.models import Backbone, Batch
from rcekd.teachers import Need, TeacherKnowledge


class CrossEntropySettings(MethodSettings):
    """Settings of plain cross-entropy distillation."""

    name: Literal["ce"] = "ce"
    items: Literal["teacher", "student", "all"] = Field(default="teacher", description="the item set of a user")
    top_k: PositiveInt = Field(default=50, alias="K", description="K: length of the list (not used by `all`)")
    logit_tau: Temperature = Field(default=1.0, description="temperature of both softmaxes")

    def needs(self) -> frozenset[Need]:
        return frozenset({"factors"}) if self.items == "all" else super().needs()

    def list_lengths(self) -> dict[str, int]:
        return {} if self.items == "all" else {"K": self.top_k}


class CrossEntropy(Method):
    """−Σ_i softmax(t)_i log softmax(s)_i over the user's item set."""

    name: ClassVar[str] = "ce"
    citation: ClassVar[str] = "vanilla CE / full CE as in Zhu & Zhang, arXiv 2509.20989, eq. 1 and section 6.4"
    cost: ClassVar[str] = "B·K·D a step (items=all: B·I·D); items=student: one top-K scan an epoch"
    use: ClassVar[str] = "the plain baseline; items=all where the catalogue is small enough to afford it"

    def __init__(
        self, settings: CrossEntropySettings, teacher: TeacherKnowledge, data: Interactions, seed: int
    ) -> None:
        del seed  # nothing is drawn
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings = settings
        self._knowledge = teacher
        self._sets: ItemSets | None = None

    @property
    def is_recordable(self) -> bool:
        return self._settings.items != "all"  # there arithmetic takes the time, not launches

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del epoch
        if self._settings.items == "student":
            with self.clock.phase("closure"):
                tables = student.tables()
                lists, _ = topk(tables.user_UD, tables.item_ID, self._settings.top_k)
        elif self._settings.items == "teacher" and self._sets is None:
            lists = self._knowledge.top_items(self._settings.top_k)
        else:
            return
        with self.clock.phase("teacher scores"):
            self._sets = judged_sets(self._knowledge, [lists], self._settings.logit_tau)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        tau = self._settings.logit_tau
        if self._settings.items == "all":
            user_R, weight_R = self.rows_unwaited(batch)
            user_RD, teacher = student.user_factors(user_R), self._knowledge.tables
            return full_cross_entropy(
                user_RD, student.item_factors(), teacher.user_UD[user_R], teacher.item_ID, weight_R, tau=tau
            )
        rows = self.list_rows(student, batch, self._one_1U)
        slots = batch.user_B.numel() * self._settings.top_k
        return rows.cross_entropy(student.item_factors(), require_started(self._sets), tau=tau, slots=slots)
