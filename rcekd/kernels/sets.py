"""Ragged item sets with teacher probabilities, the shape in which a distillation target travels."""

from typing import NamedTuple

from torch import Tensor


class ItemSets(NamedTuple):
    """Set r holds `items[indptr[r]:indptr[r + 1]]` with the teacher's probabilities beside them.

    indptr: int64 [S + 1], from 0, never decreasing. items: int32 [entries]. prob: float32 [entries], the teacher's
    softmax within each set (an empty set is allowed and adds nothing to a loss).
    """

    indptr: Tensor
    items: Tensor
    prob: Tensor
