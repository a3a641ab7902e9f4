"""FTD: the student's cosines between all entities are to be the teacher's (Kang et al., KDD 2021, arXiv 2106.08700).

Over the distinct users and items of a batch, users and items together in one list of n rows:

    L = Σ_{i, j} (cos(t_i, t_j) − cos(s_i, s_j))²

over all n² ordered pairs, as the authors' code (SeongKu-Kang/Topology_Distillation_KDD21, model.py) sums it; the text
could not be read. It grows with n², so λ belongs to a batch size. No width is projected: cosines need none.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.methods.base import Method
from rcekd.methods.common.entities import entities, gather, rows_of
from rcekd.methods.common.feature_settings import FeatureSettings
from rcekd.methods.common.topology import full_gap, unit_rows
from rcekd.models import Backbone, Batch, FactorTables
from rcekd.teachers import TeacherKnowledge


class FTDSettings(FeatureSettings):
    """Settings of FTD."""

    name: Literal["ftd"] = "ftd"
    weight: float = Field(default=1e-3, ge=0.0, alias="lambda", description="λ: weight beside the base loss")


class FTD(Method):
    """Squared gaps between all pairwise cosines."""

    name: ClassVar[str] = "ftd"
    citation: ClassVar[str] = "Kang et al., Topology Distillation for Recommender System, KDD 2021, arXiv 2106.08700"
    cost: ClassVar[str] = "n·Dᵀ·(D + Dᵀ) a step, n distinct entities"
    use: ClassVar[str] = "a student not much narrower than its teacher"

    def __init__(self, settings: FTDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        del seed  # nothing is drawn
        super().__init__(settings.weighting, data)
        self._unit = FactorTables(*(unit_rows(table) for table in teacher.tables))

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del student, epoch

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        found = entities(batch)
        student_RD = torch.cat(gather(student, found))
        teacher_RT = torch.cat(rows_of(self._unit, found))
        return full_gap(unit_rows(student_RD), teacher_RT)
