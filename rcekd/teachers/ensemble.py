"""Several teachers as one: their factor tables side by side, so that an ensemble is again a pair of factor tables.

With user vectors a_u and b_u of two teachers, [a_u/2, b_u/2] · [a_i, b_i] is the mean of their scores; a zero in place
of one of them leaves that teacher out for the user. Nothing else has to know that there are several.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rcekd.errors import InputError
from rcekd.models import FactorTables
from rcekd.teachers.knowledge import FactorTeacher, Need, TeacherKnowledge, missing
from rcekd.teachers.temperature import score_spread


class Ensemble(FactorTeacher):
    """The mean of several teachers' scores, or one teacher per user.

    Scores of different teachers live on different scales, so every member's user vectors are first scaled until the
    user's scores over the catalogue spread (standard deviation) as under the first member.
    weight_UT: what each member counts for each user, float [U, T]; None: all the same. Rows are made to add up to 1.
    InputError where a member has no factors or speaks of another number of users or items.
    """

    def __init__(self, members: Sequence[TeacherKnowledge], weight_UT: Tensor | None = None) -> None:
        check_members(members)
        self._members = tuple(members)
        self._weight_UT = weight_UT
        if weight_UT is None:
            weight_UT = torch.ones(members[0].n_users, len(members), device=members[0].tables.user_UD.device)
        weight_UT = weight_UT / weight_UT.sum(1, keepdim=True)
        wanted_U = score_spread(members[0].tables).float()
        users = [
            member.tables.user_UD * (weight_UT[:, t] * _ratio(wanted_U, score_spread(member.tables).float()))[:, None]
            for t, member in enumerate(members)
        ]
        items = [member.tables.item_ID for member in members]
        super().__init__(FactorTables(torch.cat(users, 1).contiguous(), torch.cat(items, 1).contiguous()))

    @property
    def gives(self) -> frozenset[Need]:
        common = frozenset[Need].intersection(*(member.gives for member in self._members))
        return super().gives | (common & {"trajectory"})

    @property
    def trajectory(self) -> Sequence[FactorTables]:
        """The members mixed at their last moments, as many as all of them have."""
        if "trajectory" not in self.gives:
            raise missing("trajectory")
        count = min(len(member.trajectory) for member in self._members)
        moments = zip(*(list(member.trajectory)[-count:] for member in self._members), strict=True)
        return [Ensemble([FactorTeacher(t) for t in moment], self._weight_UT).tables for moment in moments]

    def at(self, temperature: float) -> "Ensemble":
        """The same mixture with every score divided by a temperature, that of its members and of all their moments."""
        members = [m.at(temperature) if isinstance(m, FactorTeacher) else m for m in self._members]
        return Ensemble(members, self._weight_UT)

    @property
    def members(self) -> Sequence[TeacherKnowledge]:
        return self._members


def check_members(members: Sequence[TeacherKnowledge]) -> None:
    """InputError unless all are factor teachers of the same users and items."""
    for number, member in enumerate(members, start=1):
        if "factors" not in member.gives:
            raise InputError(f"teacher {number} of {len(members)} has no factor tables; only such can be mixed")
        if (member.n_users, member.n_items) != (members[0].n_users, members[0].n_items):
            raise InputError(
                f"teacher {number} knows {member.n_users} users × {member.n_items} items, "
                f"the first {members[0].n_users} × {members[0].n_items}; give teachers of one dataset"
            )


def _ratio(wanted_U: Tensor, found_U: Tensor) -> Tensor:
    """What brings `found` to `wanted`; 1 where either is 0 and no scale can."""
    usable_U = (wanted_U > 0) & (found_U > 0)
    return torch.where(usable_U, wanted_U / found_U.where(usable_U, torch.ones_like(found_U)), torch.ones_like(found_U))
