"""HTD: all cosines within groups, coarse ones between them (Kang et al., KDD 2021, arXiv 2106.08700).

Users and items are divided into K groups each by gates that DE's loss trains (`experts`); they assign without noise.
Over the distinct users and items of a batch, P_g the mean of group g's members in the batch, in either space:

    entities   Σ over ordered pairs of one group with cos(t_i, t_j) > 0 of (cos(t_i, t_j) − cos(s_i, s_j))²
    groups     Σ over groups g and entities j of (cos(P_g^t, t_j) − cos(P_g^s, s_j))²     (`groups: entities`)
               or over groups g, h of the gap between cos(P_g, P_h)                       (`groups: prototypes`)
    L = α (entities + groups) + (1 − α) Σ ‖t_e − Σ_m z_m E_m(s_e)‖²

plain sums, each distinct entity once, as in the authors' code (SeongKu-Kang/Topology_Distillation_KDD21, model.py); the
text could not be read. That code takes the student's prototypes for constants, so that with `prototypes` its group term
has no gradient; `through_prototypes` lets the gradient through, and `prototypes` without it is refused. Dropping pairs
of negative teacher cosine is the code's: `negative: keep` takes them in. The noise is DE's: per entity and epoch.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor

from rcekd.methods.common.entities import Entities, entities, gather, rows_of
from rcekd.methods.common.feature_settings import ExpertSettings
from rcekd.methods.common.topology import grouped_gap, unit_rows
from rcekd.methods.de import DE
from rcekd.models import Backbone, Batch


class HTDSettings(ExpertSettings):
    """Settings of HTD."""

    name: Literal["htd"] = "htd"
    weight: float = Field(default=1e-3, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    experts: PositiveInt = Field(default=30, alias="K", description="K: groups, and so experts, per side")
    alpha: float = Field(default=0.5, ge=0.0, le=1.0, description="α: share of the topology against the gates' loss")
    groups: Literal["entities", "prototypes"] = Field(
        default="entities", description="what a group's prototype is compared with"
    )
    negative: Literal["drop", "keep"] = Field(
        default="drop", description="pairs within a group whose teacher cosine is not positive"
    )
    through_prototypes: bool = Field(default=False, description="let gradients reach the members of a prototype")

    @model_validator(mode="after")
    def _check_prototypes(self) -> "HTDSettings":
        if self.groups == "prototypes" and not self.through_prototypes:
            raise ValueError("groups=prototypes has no gradient unless through_prototypes=true; set it")
        return self


class HTD(DE):
    """Cosines within groups and of groups, and the loss that forms the groups."""

    name: ClassVar[str] = "htd"
    citation: ClassVar[str] = "Kang et al., Topology Distillation for Recommender System, KDD 2021, arXiv 2106.08700"
    cost: ClassVar[str] = "DE's and Σ over groups of n_g²·(D + Dᵀ) + 2K·n·(D + Dᵀ) a step"
    use: ClassVar[str] = "a student far narrower than its teacher"

    _settings: HTDSettings

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        found = entities(batch)
        user_RD, item_RD = gather(student, found)
        gates = self.distance(found, user_RD, item_RD, torch.ones_like(found.place_R))
        topology = self._gaps(found, torch.cat([user_RD, item_RD]))
        return self._settings.alpha * topology + (1.0 - self._settings.alpha) * gates

    def _gaps(self, found: Entities, student_RD: Tensor) -> Tensor:
        """Entity-level and group-level topology."""
        user_RT, item_RT = rows_of(self._tables, found)
        teacher_RT = torch.cat([user_RT, item_RT])
        group_R = torch.cat([self._users.assign(user_RT), self._items.assign(item_RT) + self._settings.experts])
        spaces = unit_rows(student_RD), unit_rows(teacher_RT)
        within = grouped_gap(*spaces, group_R, positive=self._settings.negative == "drop")
        present_G, group_R = torch.unique(group_R, return_inverse=True)
        member_RD = student_RD if self._settings.through_prototypes else student_RD.detach()
        heads = [unit_rows(means(rows, group_R, len(present_G))) for rows in (member_RD, teacher_RT)]
        others = heads if self._settings.groups == "prototypes" else spaces
        gap_GR = heads[0] @ others[0].T - heads[1] @ others[1].T
        return within + gap_GR.square().sum()


def means(value_RD: Tensor, group_R: Tensor, groups: int) -> Tensor:
    """The mean row of each group, [G, D]; every group has a member."""
    size_G = torch.bincount(group_R, minlength=groups).to(value_RD.dtype)
    return value_RD.new_zeros(groups, value_RD.shape[1]).index_add(0, group_R, value_RD) / size_G[:, None]
