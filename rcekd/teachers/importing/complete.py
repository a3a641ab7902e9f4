"""From a teacher's rows to tables of all the dataset's users and items, whoever the teacher does not know."""

import torch
from torch import Tensor

from rcekd.errors import InputError
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables

# How far below a user's worst known item the unknown ones are put, as a share of the user's range of scores.
_STEP = 0.01


def complete(user_XD: Tensor, item_YD: Tensor, user_row_U: Tensor, item_row_I: Tensor) -> FactorTables:
    """Tables in the dataset's order; rows −1 are users and items that the teacher has no vector for.

    Such a user gets the mean vector of those it has: the mean of their scores, the teacher's general opinion.
    Such an item must never look good by accident, as the zero vector would beside negative scores: it gets one factor
    more, in which it alone is 1 and every user holds a score just below that of the user's worst known item. So it is
    last for everybody, and all such items tie.
    """
    known_user_U, known_item_I = user_row_U >= 0, item_row_I >= 0
    if not known_user_U.any() or not known_item_I.any():
        raise InputError("the teacher knows none of the dataset's users or items; check the ids")
    user_UD = user_XD[user_row_U.clamp(min=0)]
    user_UD[~known_user_U] = user_UD[known_user_U].mean(0)
    item_ID = item_YD[item_row_I.clamp(min=0)]
    if known_item_I.all():
        return FactorTables(user_UD, item_ID)
    floor_U = _below_worst(user_UD, item_ID[known_item_I].contiguous())
    item_ID[~known_item_I] = 0.0
    user_UE = torch.cat([user_UD, floor_U[:, None]], 1)
    return FactorTables(user_UE.contiguous(), torch.cat([item_ID, (~known_item_I).float()[:, None]], 1).contiguous())


def _below_worst(user_UD: Tensor, item_ID: Tensor) -> Tensor:
    """A score below every one that the user has, float32 [U]."""
    best_U = topk(user_UD, item_ID, 1)[1][:, 0]
    worst_U = -topk(-user_UD, item_ID, 1)[1][:, 0]
    return worst_U - (_STEP * (best_U - worst_U)).clamp(min=1e-6) - 1e-6 * worst_U.abs()
