"""DE: gated experts turn the student's factors into the teacher's (Kang et al., CIKM 2020, arXiv 2012.04357).

For the distinct users and items of a batch, t the teacher's and s the student's factors, z the gate of `experts`:

    L(e) = ‖ t_e − Σ_m z_m E_m(s_e) ‖²
    L = Σ_users L(u) + ½ (Σ_positives L(i) + Σ_negatives L(j))

a plain sum, each distinct entity once: the authors' own scale, and that of λ. The text could not be read; public code
(SeongKu-Kang/DE-RRD_CIKM20, Models/DE.py, and woriazzc's port) squares the norm, and so does this. The authors draw
Gumbel noise anew in every call; here it is drawn once per entity and epoch, a function of (seed, epoch, entity), so
that batches do not matter. T falls over `anneal.epochs`, where theirs falls over all epochs of the run and one epoch
late; below 1e-4 the gate is the argmax that T → 0 means.
"""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor
from torch.nn.functional import embedding

from rcekd.datasets import Interactions
from rcekd.methods.base import Method, require_started
from rcekd.methods.common.entities import Entities, entities, gather, rows_of
from rcekd.methods.common.experts import GatedExperts, Noise, draw_noise
from rcekd.methods.common.feature_settings import ExpertSettings
from rcekd.models import Backbone, Batch
from rcekd.streams import stream
from rcekd.teachers import TeacherKnowledge


class DESettings(ExpertSettings):
    """Settings of DE."""

    name: Literal["de"] = "de"
    weight: float = Field(default=0.01, ge=0.0, alias="lambda", description="λ: weight beside the base loss")


class DE(Method):
    """Squared distance between the teacher's factors and what experts make of the student's."""

    name: ClassVar[str] = "de"
    citation: ClassVar[str] = "Kang et al., DE-RRD: A KD Framework for Recommender System, CIKM 2020, arXiv 2012.04357"
    cost: ClassVar[str] = "n·h·(D + Dᵀ) a step, n distinct entities, h = (D + Dᵀ)/2; E times that until gates are hard"
    use: ClassVar[str] = "beside a ranking loss (DE-RRD), where the teacher's factors are at hand"

    def __init__(self, settings: ExpertSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        self._settings = settings
        self._tables = teacher.tables
        self._seed = seed
        self._users: GatedExperts
        self._items: GatedExperts
        self._noise: Noise | None = None
        self._temperature = settings.anneal.start

    def meet(self, student: Backbone) -> None:
        super().meet(student)
        generator = stream(self._seed, f"{self.name}.init")
        widths = student.dim, self._tables.user_UD.shape[1]
        self._users = GatedExperts(self._settings.experts, *widths, generator)
        self._items = GatedExperts(self._settings.experts, *widths, generator)
        self.trained.add_module("users", self._users)
        self.trained.add_module("items", self._items)

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del student
        with self.clock.phase("sampling"):
            self._noise = draw_noise(self._seed, f"{self.name}.gumbel", epoch, self._tables, self._settings.experts)
        self._temperature = self._settings.anneal.at(epoch)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        found = entities(batch)
        return self.distance(found, *gather(student, found), 0.5 * found.place_R)

    def distance(self, found: Entities, user_RD: Tensor, item_RD: Tensor, weight_R: Tensor) -> Tensor:
        """Σ over users plus the weighted Σ over items of the squared distances."""
        user_RT, item_RT = rows_of(self._tables, found)
        users = (user_RT - self.project_users(user_RD, found.user_R)).square().sum()
        gap_RT = item_RT - self.project_items(item_RD, found.item_R)
        return users + (weight_R * gap_RT.square().sum(1)).sum()

    def project_users(self, user_RD: Tensor, user_R: Tensor) -> Tensor:
        """The student's vectors of users `user_R` in the teacher's space, [R, d_T]."""
        teacher_RT = embedding(user_R, self._tables.user_UD)
        return self._project(self._users, user_RD, teacher_RT, require_started(self._noise).user_UE[user_R])

    def project_items(self, item_RD: Tensor, item_R: Tensor) -> Tensor:
        """The same for items."""
        teacher_RT = embedding(item_R, self._tables.item_ID)
        return self._project(self._items, item_RD, teacher_RT, require_started(self._noise).item_IE[item_R])

    def _project(self, experts: GatedExperts, student_RD: Tensor, teacher_RT: Tensor, noise_RE: Tensor) -> Tensor:
        projected_RT: Tensor = experts(student_RD, experts.choose(teacher_RT, noise_RE, self._temperature))
        return projected_RT

    def report(self) -> dict[str, float]:
        return {"temperature": self._temperature}
