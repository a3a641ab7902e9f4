"""Ragged rows in plain torch: which row an entry belongs to, and softmax within rows."""

import torch
from torch import Tensor


def entry_rows(indptr: Tensor) -> Tensor:
    """The row of every entry, int64 [entries]."""
    row = torch.arange(indptr.numel() - 1, device=indptr.device)
    return row.repeat_interleave(indptr.diff())


def expand_rows(indptr: Tensor, set_R: Tensor) -> tuple[Tensor, Tensor]:
    """(row, entry): for each r in turn, the entries of set `set_R[r]`. Both int64 [slots]."""
    length_R = indptr.diff()[set_R]
    row = torch.arange(set_R.numel(), device=indptr.device).repeat_interleave(length_R)
    first = indptr[set_R] - (length_R.cumsum(0) - length_R)
    return row, torch.arange(row.numel(), device=indptr.device) + first[row]


def segment_log_softmax(score: Tensor, row: Tensor, n_rows: int) -> Tensor:
    """log softmax of `score` [entries] within each row, shifted by the row's maximum."""
    lowest = score.new_full((n_rows,), -torch.inf)
    top = lowest.scatter_reduce(0, row, score.detach(), "amax", include_self=False)
    shifted = score - top[row]
    total = score.new_zeros(n_rows).index_add(0, row, shifted.exp())
    return shifted - total.log()[row]
