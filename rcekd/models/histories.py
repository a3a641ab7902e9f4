"""Users' histories as padded blocks: the last items of each, in order."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR


class Histories(NamedTuple):
    """The last items of some users. item_RT: int64 [R, T], in order, padded with item 0 on the right.

    length_R: int64, how many of them are real. time_RT: when they were met, padded with 0; None where that is not read.
    Nothing a causal reader says of a user depends on the padding, for all of it comes later.
    """

    item_RT: Tensor
    length_R: Tensor
    time_RT: Tensor | None = None

    def to(self, device: torch.device) -> "Histories":
        """The same on a device."""
        time_RT = None if self.time_RT is None else self.time_RT.to(device)
        return Histories(self.item_RT.to(device), self.length_R.to(device), time_RT)


def histories(rows: CSR, row_R: Tensor, window: int, time: Tensor | None = None) -> Histories:
    """The last `window` entries of the chosen rows, as long as the longest of them. time: of every entry."""
    stop_R = rows.indptr[row_R + 1]
    length_R = (stop_R - rows.indptr[row_R]).clamp(max=window)
    longest = int(length_R.max()) if length_R.numel() else 0
    place_T = torch.arange(longest, device=rows.indices.device)
    real_RT = place_T < length_R[:, None]
    if not longest:
        return Histories(real_RT.long(), length_R, None if time is None else real_RT.to(time.dtype))
    entry_RT = torch.where(real_RT, (stop_R - length_R)[:, None] + place_T, 0)
    time_RT = None if time is None else torch.where(real_RT, time[entry_RT], 0)
    return Histories(torch.where(real_RT, rows.indices[entry_RT].long(), 0), length_R, time_RT)


def blocks(rows: CSR, window: int, numbers_of: int, most_numbers: int) -> Iterator[Tensor]:
    """All rows, shortest first, in blocks of similar length; int64 [R] each.

    A block whose longest row is T holds at most `most_numbers` / (T · (T + numbers_of)) rows, and one at least: what a
    reader keeps of it (numbers_of a token, and a square of attention) is bounded.
    """
    length_U = rows.lengths().clamp(max=window) + 1  # the start counts as a token
    order_U = torch.argsort(length_U, stable=True)
    length = length_U[order_U].tolist()
    begin = 0
    while begin < len(length):
        end, tokens = begin + 1, length[begin]
        while end < len(length):
            tokens = length[end]
            if (end + 1 - begin) * tokens * (tokens + numbers_of) > most_numbers:
                break
            end += 1
        yield order_U[begin:end]
        begin = end
