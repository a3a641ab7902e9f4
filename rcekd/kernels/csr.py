"""Compressed sparse rows, the one shape in which user histories travel."""

from typing import NamedTuple

import torch
from torch import Tensor


class CSR(NamedTuple):
    """Row r holds `indices[indptr[r]:indptr[r + 1]]`.

    indptr: int64 [rows + 1], non-decreasing from 0. indices: int32 [entries].
    Kernels that look items up want each row sorted ascending without repeats: `sorted_unique` gives that.
    """

    indptr: Tensor
    indices: Tensor

    @property
    def n_rows(self) -> int:
        return self.indptr.numel() - 1

    def to(self, device: torch.device) -> "CSR":
        """The same rows on a device; itself where they are there already."""
        indices = self.indices.to(device)
        return self if indices is self.indices else CSR(self.indptr.to(device), indices)

    def lengths(self) -> Tensor:
        """Entries per row, int64 [rows]."""
        return self.indptr.diff()

    def rows(self) -> Tensor:
        """The row of every entry, int32 [entries]."""
        row = torch.arange(self.n_rows, dtype=torch.int32, device=self.indices.device)
        return row.repeat_interleave(self.lengths())

    def take(self, row_R: Tensor) -> "CSR":
        """The listed rows (int [R]), in that order, repeats included."""
        row_R = row_R.long()
        length_R = self.lengths()[row_R]
        indptr = torch.cat([length_R.new_zeros(1), length_R.cumsum(0)])
        within = torch.arange(int(indptr[-1]), device=indptr.device) - indptr[:-1].repeat_interleave(length_R)
        return CSR(indptr, self.indices[self.indptr[row_R].repeat_interleave(length_R) + within])

    def holds(self, value_RN: Tensor) -> Tensor:
        """Row by row, which of these values (int [rows, N]) are among its entries: bool [rows, N].

        Negative values, which stand for padding, are in no row. Entries are non-negative, in any order.
        """
        if not self.indices.numel() or not value_RN.numel():
            return torch.zeros_like(value_RN, dtype=torch.bool)
        span = int(max(int(self.indices.max()), int(value_RN.max()))) + 1
        key_E = torch.sort(self.rows().long() * span + self.indices.long()).values
        wanted_RN = torch.arange(self.n_rows, device=value_RN.device)[:, None] * span + value_RN.long()
        place_RN = torch.searchsorted(key_E, wanted_RN).clamp_(max=key_E.numel() - 1)
        return (key_E[place_RN] == wanted_RN) & (value_RN >= 0)

    def sorted_unique(self) -> "CSR":
        """The same rows as sets: ascending, each entry once."""
        span = int(self.indices.max()) + 1 if self.indices.numel() else 1
        key = torch.unique(self.rows().long() * span + self.indices.long())
        row, column = key // span, key % span
        return CSR.from_pairs(row, column, self.n_rows)

    @staticmethod
    def from_pairs(row: Tensor, column: Tensor, n_rows: int) -> "CSR":
        """Group pairs by row, keeping their order within a row."""
        order = torch.argsort(row.long(), stable=True)
        counts = torch.bincount(row.long(), minlength=n_rows)
        indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return CSR(indptr, column[order].to(torch.int32))
