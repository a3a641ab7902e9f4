"""RCE-KD: cross-entropy on item sets closed under the student's ranking (Zhu & Zhang, arXiv 2509.20989).

Per user, Qᵀ and Qˢ are the teacher's and the student's top K, Q₁ = Qᵀ ∩ Qˢ, Q₂ = Qᵀ ∖ Q₁. Each epoch:

    L₁ = CE over Qˢ                                                        (eq. 7, an exactly closed set)
    z_j = |{i ∈ Q₂ : the student ranks j above i}|,  p_j ∝ e^(z_j / τ)      (section 5.3)
    L₂ = CE over A = Q₂ ∪ {L items drawn without replacement by p}         (eq. 8)
    γ_u = e^(−β |Q₁| / |Qᵀ|)                                               (eq. 10)
    L  = (1 − γ) L₁ + γ L₂, beside the base loss with weight λ             (eq. 9, 11)

The authors' code (woriazzc/RCEKD) departs from this text. `variant: paper` and `variant: code` set every departure that
concerns the loss; each is also a setting of its own, numbered as in docs/rcekd-variants.md.
"""

from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.closure import closure
from rcekd.kernels.horizon import horizon_draws
from rcekd.kernels.set_cross_entropy import ItemSets
from rcekd.kernels.topk import topk
from rcekd.methods.base import Method, Weighting, require_started
from rcekd.methods.common.gamma import GammaSettings, gamma_of
from rcekd.methods.common.item_sets import contains, drop_repeats, judged_sets
from rcekd.methods.common.ranges import Bound, ClosureTemperature, Temperature
from rcekd.methods.common.variants import VariantSettings
from rcekd.models import Backbone, Batch, FactorTables
from rcekd.teachers import TeacherKnowledge

VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {
        "horizon": None,
        "exclude_teacher": True,
        "raised_by": "missing",
        "inclusive": False,
        "clip": None,
        "overlap": "student-top",
        "weighting": "user",
    },
    "code": {
        "horizon": 200,
        "exclude_teacher": False,
        "raised_by": "teacher",
        "inclusive": True,
        "clip": 50,
        "overlap": "draws",
        "weighting": "interaction",
    },
}


class RCEKDSettings(VariantSettings):
    """Settings of RCE-KD. A setting that is not given has the value of the chosen variant."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS

    name: Literal["rcekd"] = "rcekd"
    variant: Literal["paper", "code"] = Field(default="paper", description="whose algorithm: the text's or the code's")
    weight: float = Field(default=10.0, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    top_k: PositiveInt = Field(default=50, alias="K", description="K: length of Qᵀ and Qˢ")
    draws: PositiveInt = Field(default=50, alias="L", description="L: items drawn per user and epoch")
    beta: float = Field(default=3.0, ge=0.0, description="β of the exponential γ (eq. 10)")
    tau: ClosureTemperature = Field(default=10.0, description="τ of the sampling weights (section 5.3)")
    logit_tau: Temperature = Field(default=1.0, description="temperature of both softmaxes (13; the text has none)")
    horizon: PositiveInt | None = Field(default=None, description="draw only among the student's top so many (1, 6)")
    exclude_teacher: bool = Field(default=True, description="never draw from Qᵀ (2)")
    raised_by: Literal["missing", "teacher"] = Field(
        default="missing", description="what raises z: Q₂, or all of Qᵀ (3)"
    )
    inclusive: bool = Field(default=False, description="an item of the raising set raises itself too (4)")
    clip: Bound | None = Field(default=None, description="z is at most this (5)")
    by_rank: bool = Field(default=False, description="draw by e^(−rank/τ), ignoring the teacher; needs a horizon (7)")
    overlap: Literal["student-top", "draws"] = Field(
        default="student-top", description="what γ measures the overlap of Qᵀ with: Qˢ or the drawn items (8)"
    )
    mask: Literal["none", "train"] = Field(
        default="none", description="whether training items are left out of Qᵀ, Qˢ and the draws (10)"
    )
    weighting: Weighting = Field(default="user", description="how often a user counts: see MethodSettings (11)")
    gamma: GammaSettings = Field(default_factory=GammaSettings, description="schedule of γ (Tables 8–10)")
    without: Literal["nothing", "split", "student", "teacher"] = Field(
        default="nothing",
        description="ablation (section 6.4): one CE on A ∪ Qˢ; CE on Qᵀ alone (w/o S); CE on Qˢ alone (w/o T)",
    )

    @model_validator(mode="after")
    def _check_horizon(self) -> "RCEKDSettings":
        if self.horizon is not None and self.horizon < max(self.top_k, self.draws):
            raise ValueError(
                f"horizon {self.horizon} is shorter than K = {self.top_k} or L = {self.draws}; give at least the larger"
            )
        if self.by_rank and self.horizon is None:
            raise ValueError("by_rank needs a horizon, e.g. horizon=200")
        return self

    def list_lengths(self) -> dict[str, int]:
        return {"K": self.top_k, "L": self.draws, "horizon": self.horizon or 0}


class Parts(NamedTuple):
    """The item sets of an epoch, int32 and −1 padded; mastered is bool."""

    teacher_UK: Tensor
    """Qᵀ, best first."""
    student_UK: Tensor
    """Qˢ, best first."""
    mastered_UK: Tensor
    """Which of Qᵀ stand in Qˢ: Q₁."""
    draw_UL: Tensor
    mixed_UW: Tensor
    """A: the drawn items and Q₂, each once, W = L + K."""


class RCEKD(Method):
    """The loss of RCE-KD, in either variant, with the paper's ablations."""

    name: ClassVar[str] = "rcekd"
    citation: ClassVar[str] = "Zhu & Zhang, Rejuvenating Cross-Entropy Loss in KD for Recommender Systems, 2509.20989"
    cost: ClassVar[str] = "B·(2K + L)·D a step and one closure pass, U·I·D, an epoch"
    use: ClassVar[str] = "the default: the student's top ranks are to follow the teacher's"

    def __init__(self, settings: RCEKDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings = settings
        self._knowledge = teacher
        self._seed = seed
        self._seen = data.seen if settings.mask == "train" else None
        self._sets: ItemSets | None = None
        self._scale_GU = torch.empty(0)
        self._width = 0  # of all lists of a user, padding and all
        self._report: dict[str, float] = {}

    @property
    def is_recordable(self) -> bool:
        return True

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        tables = student.tables()
        with self.clock.phase("closure"):
            lists, scales = self._lists(tables, epoch)
        with self.clock.phase("teacher scores"):
            self._sets = judged_sets(self._knowledge, lists, self._settings.logit_tau)
        self._scale_GU, self._width = torch.stack(scales), sum(item_UW.shape[1] for item_UW in lists)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        sets, rows = require_started(self._sets), self.list_rows(student, batch, self._scale_GU)
        slots = batch.user_B.numel() * self._width
        return rows.cross_entropy(student.item_factors(), sets, tau=self._settings.logit_tau, slots=slots)

    def report(self) -> dict[str, float]:
        return dict(self._report)

    def parts(self, tables: FactorTables, epoch: int) -> Parts:
        """The sets that an epoch (counted from 0) which begins with these tables works on, the draws among them.

        They depend on nothing else, so that an epoch's sets can be had again later.
        """
        teacher_UK = self._knowledge.top_items(self._settings.top_k, self._seen)
        student_UK, mastered_UK, draw_UL = self._sample(tables, teacher_UK, epoch)
        mixed_UW = torch.cat([draw_UL, teacher_UK.masked_fill(mastered_UK, -1)], dim=1)
        # Only draws that may fall on Qᵀ can repeat an item.
        mixed_UW = mixed_UW if self._settings.exclude_teacher else drop_repeats(mixed_UW)
        return Parts(teacher_UK, student_UK, mastered_UK, draw_UL, mixed_UW)

    def _lists(self, tables: FactorTables, epoch: int) -> tuple[list[Tensor], list[Tensor]]:
        """The epoch's item lists (padded, [U, W] each) and the weight of each list per user ([U] each)."""
        settings = self._settings
        one_U = torch.ones(self._knowledge.n_users, device=tables.user_UD.device)
        if settings.without == "student":
            return [self._knowledge.top_items(settings.top_k, self._seen)], [one_U]
        if settings.without == "teacher":
            return [topk(tables.user_UD, tables.item_ID, settings.top_k, seen=self._seen)[0]], [one_U]
        parts = self.parts(tables, epoch)
        if settings.without == "split":
            return [drop_repeats(torch.cat([parts.student_UK, parts.mixed_UW], dim=1))], [one_U]
        gamma_U = self._gamma(parts.teacher_UK, parts.mastered_UK, parts.draw_UL, epoch)
        return [parts.student_UK, parts.mixed_UW], [1.0 - gamma_U, gamma_U]

    def _sample(self, tables: FactorTables, teacher_UK: Tensor, epoch: int) -> tuple[Tensor, Tensor, Tensor]:
        """Qˢ [U, K], which of Qᵀ it holds [U, K], and the drawn items [U, L]."""
        settings = self._settings
        if settings.horizon is None:
            found = closure(
                tables.user_UD,
                tables.item_ID,
                teacher_UK,
                draws=settings.draws,
                tau=settings.tau,
                seed=self._seed,
                epoch=epoch,
                seen=self._seen,
                raised_by=settings.raised_by,
                inclusive=settings.inclusive,
                clip=settings.clip,
                exclude_teacher=settings.exclude_teacher,
            )
            return found.student_item_BK, found.mastered_BK, found.draw_BL
        student_UM, _ = topk(tables.user_UD, tables.item_ID, settings.horizon, seen=self._seen)
        draw_UL = horizon_draws(
            student_UM,
            teacher_UK,
            draws=settings.draws,
            tau=settings.tau,
            seed=self._seed,
            epoch=epoch,
            top_k=settings.top_k,
            raised_by=settings.raised_by,
            inclusive=settings.inclusive,
            clip=settings.clip,
            exclude_teacher=settings.exclude_teacher,
            by_rank=settings.by_rank,
        )
        student_UK = student_UM[:, : settings.top_k].contiguous()
        return student_UK, contains(student_UK, teacher_UK), draw_UL

    def _gamma(self, teacher_UK: Tensor, mastered_UK: Tensor, draw_UL: Tensor, epoch: int) -> Tensor:
        size_U = (teacher_UK >= 0).sum(1).clamp(min=1)
        mastered_U = mastered_UK.sum(1) / size_U
        measured_U = mastered_U
        if self._settings.overlap == "draws":
            measured_U = contains(draw_UL, teacher_UK).sum(1) / size_U
        gamma_U = gamma_of(self._settings.gamma, self._settings.beta, measured_U, epoch)
        self._report = {"overlap": float(mastered_U.mean()), "gamma": float(gamma_U.mean())}
        return gamma_U
