"""BD: teacher and student train together, each on what it ranks unlike the other (Kweon et al., WWW 2021, arXiv
2106.02870).

Every r epochs, with R the ranks of a user's unseen items (1 is best), lists are drawn with replacement:

    teacher → student   p ∝ tanh(max(ε_t · (Rˢ − Rᵀ), 0))      items that the student ranks too low
    student → teacher   p ∝ exp(ε · (Rᵀ − Rˢ))                 items that the teacher ranks too low

    student  L_base + λ_S · Σ BCE(σ(s), σ(t/τ)),      teacher  L_base + λ_T · Σ BCE(σ(t), σ(s/τ))

the other's score without a gradient and only it tempered. The direction of the gaps is the paper's from memory, as
its text could not be read. The authors' code (WonbinKweon/BD_WWW2021) counts ranks from the bottom, so with the
same formulas it draws what the receiver ranks too *high*: `variant: code` turns the direction round. There the BPR
form also takes the drawn item as the base loss's negative; here the base loss keeps its own.

The paper draws one item per interaction. Here a user has n fresh draws per epoch, shared by the user's interactions and
averaged: the same expectation at less variance. Both models are trained beforehand in the paper: the teacher is, and
`warm_up` epochs give the student the base loss alone (the teacher waits).
"""

import copy
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.rank_gap_draws import GapDraws, rank_gap_lists
from rcekd.methods.base import Method
from rcekd.methods.common.ranges import Steepness, Temperature
from rcekd.methods.common.variants import VariantSettings
from rcekd.models import Backbone, Batch
from rcekd.teachers import Need, TeacherKnowledge

VARIANTS: dict[str, dict[str, Any]] = {"paper": {"receiver_ranks": "too-low"}, "code": {"receiver_ranks": "too-high"}}


class BDSettings(VariantSettings):
    """Settings of BD. A setting that is not given has the value of the chosen variant."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS

    name: Literal["bd"] = "bd"
    variant: Literal["paper", "code"] = Field(default="paper", description="whose direction of the rank gaps")
    weight: float = Field(default=0.5, ge=0.0, alias="lambda", description="λ_S: weight in the student's loss")
    teacher_weight: float = Field(
        default=0.5, ge=0.0, alias="lambda_T", description="λ_T: weight in the teacher's loss"
    )
    tau: Temperature = Field(default=5.0, description="τ: temperature of the other's score")
    eps_tanh: Steepness = Field(default=1e-2, description="ε_t: steepness of what the student is taught")
    eps: Steepness = Field(default=1e-4, description="ε: steepness of what the teacher is taught")
    draws: PositiveInt = Field(default=10, alias="n", description="n: draws per user, direction and epoch")
    refresh: PositiveInt = Field(default=10, alias="r", description="r: epochs between two rankings of everything")
    warm_up: NonNegativeInt = Field(default=0, description="epochs in which the student trains alone first")
    receiver_ranks: Literal["too-low", "too-high"] = Field(
        default="too-low", description="which items are drawn: those that the one who learns ranks too low, or too high"
    )

    def needs(self) -> frozenset[Need]:
        return frozenset({"live"})

    def idle_epochs(self) -> int:
        return self.warm_up

    def at_once(self) -> Self:
        return self.model_copy(update={"warm_up": 0})


class BD(Method):
    """Both models learn from each other; the student is what is kept."""

    name: ClassVar[str] = "bd"
    citation: ClassVar[str] = (
        "Kweon et al., Bidirectional Distillation for Top-K Recommender System, WWW 2021, 2106.02870"
    )
    cost: ClassVar[str] = "larger by its mathematics: the teacher trains too, B·Dᵀ a step; U·I·(D + Dᵀ) every r epochs"
    use: ClassVar[str] = "a teacher that rcekd trained and that may go on training"

    def __init__(self, settings: BDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        self._settings = settings
        self._data = data
        self._seed = seed
        self._teacher: Backbone = copy.deepcopy(teacher.model).requires_grad_()
        stock_UL = torch.full(
            (data.n_users, settings.refresh * settings.draws), -1, dtype=torch.int32, device=data.device
        )
        self.trained = nn.ModuleDict({"teacher": self._teacher.train()})
        self.trained.register_buffer("for_student_UL", stock_UL)
        self.trained.register_buffer("for_teacher_UL", stock_UL.clone())
        self.trained.register_buffer("drawn", torch.zeros((), dtype=torch.bool))
        self._for_student_UN = self._for_teacher_UN = stock_UL[:, : settings.draws]
        self._student_RN: Tensor | None = None
        self._at_work = False

    def meet(self, student: Backbone) -> None:
        """InputError where the student's batches are not what the live teacher learns from."""
        super().meet(student)
        window, teacher = self._teacher.window, self._teacher.name
        if window is not None and student.window is None:
            raise InputError(
                f"method bd: the teacher {teacher} learns from whole histories, which a student {student.name} is not "
                "handed; choose a sequential student, or another method"
            )
        if window is not None and student.window is not None and student.window > window:
            raise InputError(
                f"method bd: a student reads {student.window} interactions, its teacher {teacher} only {window}; "
                f"set student.window to {window} or less"
            )

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        settings = self._settings
        age = epoch - settings.warm_up
        self._teacher.begin_epoch(self._seed, epoch)
        self._at_work = age >= 0
        if not self._at_work:
            return
        with self.clock.phase("sampling"):
            if age % settings.refresh == 0 or not bool(self.trained.get_buffer("drawn")):
                self._draw(student, epoch)
        begin = (age % settings.refresh) * settings.draws
        here = slice(begin, begin + settings.draws)
        self._for_student_UN = self.trained.get_buffer("for_student_UL")[:, here]
        self._for_teacher_UN = self.trained.get_buffer("for_teacher_UL")[:, here]

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        user_R, weight_R = self.rows(batch)
        item_RN = self._for_student_UN[user_R]
        user_RD, item_ID = student.user_factors(user_R), student.item_factors()
        if not self._at_work:
            return 0.0 * user_RD.sum()
        with torch.no_grad():
            label_RN = list_scores(self._teacher.user_factors(user_R), self._teacher.item_factors(), item_RN)
            # `own_loss` of the same step wants the student as it is now.
            self._student_RN = list_scores(user_RD, item_ID, self._for_teacher_UN[user_R])
        return self._divergence(list_scores(user_RD, item_ID, item_RN), label_RN, item_RN, weight_R)

    def own_loss(self, batch: Batch) -> Tensor | None:
        """The teacher's base loss, and λ_T times its distillation loss from the student as `loss` has seen it."""
        if not self._at_work:
            return None
        if self._student_RN is None:
            raise RuntimeError("loss has not been called for this batch")
        user_R, weight_R = self.rows(batch)
        item_RN = self._for_teacher_UN[user_R]
        score_RN = list_scores(self._teacher.user_factors(user_R), self._teacher.item_factors(), item_RN)
        learned = self._divergence(score_RN, self._student_RN, item_RN, weight_R)
        self._student_RN = None
        return self._teacher.loss(batch) + self._settings.teacher_weight * learned

    def _draw(self, student: Backbone, epoch: int) -> None:
        """The lists of the next r epochs, from the ranks that hold now."""
        settings = self._settings
        length = settings.refresh * settings.draws
        too_low = settings.receiver_ranks == "too-low"
        # "under" is Rˢ − Rᵀ here, the student's ranks being the first pair of tables.
        requests = [
            GapDraws(length, "tanh", settings.eps_tanh, "under" if too_low else "over", 0, replacement=True),
            GapDraws(length, "exp", settings.eps, "over" if too_low else "under", 1, replacement=True),
        ]
        tables = *student.tables(), *self._teacher.tables()
        drawn = rank_gap_lists(*tables, requests, seed=self._seed, epoch=epoch, seen=self._data.seen)
        for name, item_UL in zip(("for_student_UL", "for_teacher_UL"), drawn, strict=True):
            self.trained.get_buffer(name).copy_(item_UL)
        self.trained.get_buffer("drawn").fill_(value=True)

    def _divergence(self, score_RN: Tensor, label_RN: Tensor, item_RN: Tensor, weight_R: Tensor) -> Tensor:
        """Σ_r weight_r · the mean over a row's items of BCE(σ(score), σ(label/τ))."""
        real_RN = item_RN >= 0
        target_RN = (label_RN / self._settings.tau).sigmoid()
        loss_RN = binary_cross_entropy_with_logits(score_RN, target_RN, reduction="none").masked_fill(~real_RN, 0.0)
        return (weight_R * loss_RN.sum(1) / real_RN.sum(1).clamp(min=1)).sum()
