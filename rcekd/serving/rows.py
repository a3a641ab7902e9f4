"""A CSR from consecutive rows of another, and from rows one by one."""

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR


def between(rows: CSR, start: int, stop: int) -> CSR:
    """Rows start … stop − 1; the entries are a view."""
    offset = rows.indptr[start : stop + 1]
    return CSR(offset - offset[0], rows.indices[int(offset[0]) : int(offset[-1])])


def stacked(rows: list[Tensor]) -> CSR:
    """A CSR with these rows, as they are."""
    lengths = torch.tensor([0, *(row.numel() for row in rows)], dtype=torch.int64)
    return CSR(lengths.cumsum(0), torch.cat(rows).to(torch.int32) if rows else torch.empty(0, dtype=torch.int32))
