"""The distinct users and items of a batch, which feature losses sum over: every one once, however often it occurs."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding

from rcekd.models import Backbone, Batch, FactorTables


class Entities(NamedTuple):
    """Distinct ids in ascending order, int64, so that the order within a batch does not matter.

    place_R: float32, how many of (the batch's positives, its negatives) hold the item: 1 or 2.
    """

    user_R: Tensor
    item_R: Tensor
    place_R: Tensor


def entities(batch: Batch) -> Entities:
    """Distinct users, and positives and negatives together so that one gather serves both."""
    positive_R = torch.unique(batch.positive_B.long())
    negative_R = torch.unique(batch.negative_BN.long())
    item_R, count_R = torch.unique(torch.cat([positive_R, negative_R]), return_counts=True)
    return Entities(torch.unique(batch.user_B.long()), item_R, count_R.to(torch.float32))


def gather(student: Backbone, found: Entities) -> tuple[Tensor, Tensor]:
    """The student's factors of these users and items, differentiable: [users, D] and [items, D]."""
    return student.user_factors(found.user_R), embedding(found.item_R, student.item_factors())


def rows_of(tables: FactorTables, found: Entities) -> FactorTables:
    """The same of fixed tables."""
    return FactorTables(embedding(found.user_R, tables.user_UD), embedding(found.item_R, tables.item_ID))
