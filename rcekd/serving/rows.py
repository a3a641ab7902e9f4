"""Cutting rows out of a CSR."""

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR


def between(rows: CSR, start: int, stop: int) -> CSR:
    """Rows start … stop − 1; the entries are a view."""
    offset = rows.indptr[start : stop + 1]
    return CSR(offset - offset[0], rows.indices[int(offset[0]) : int(offset[-1])])


def taken(rows: CSR, row_B: Tensor) -> CSR:
    """The listed rows, in that order, repeats included."""
    start_B = rows.indptr[row_B.long()]
    length_B = rows.lengths()[row_B.long()]
    indptr = torch.cat([length_B.new_zeros(1), length_B.cumsum(0)])
    within = torch.arange(int(indptr[-1])) - indptr[:-1].repeat_interleave(length_B)
    return CSR(indptr, rows.indices[start_B.repeat_interleave(length_B) + within])


def stacked(rows: list[Tensor]) -> CSR:
    """A CSR with these rows, as they are."""
    lengths = torch.tensor([0, *(row.numel() for row in rows)], dtype=torch.int64)
    return CSR(lengths.cumsum(0), torch.cat(rows).to(torch.int32) if rows else torch.empty(0, dtype=torch.int32))
