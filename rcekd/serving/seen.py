"""Which items are left out of a user's list: what the user is known to have met."""

from typing import Literal, get_args

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.serving.rows import between

Seen = Literal["all", "train+valid", "train", "none"]
_PARTS: dict[Seen, tuple[str, ...]] = {
    "all": ("train", "valid", "test"),
    "train+valid": ("train", "valid"),
    "train": ("train",),
    "none": (),
}


def check(seen: str) -> Seen:
    """The choice, if it is one; InputError otherwise."""
    for known in get_args(Seen):
        if seen == known:
            return known  # type: ignore[no-any-return]
    raise InputError(f"--seen {seen!r}: expected {', '.join(get_args(Seen))}")


def seen_between(data: Interactions, seen: Seen, start: int, stop: int) -> CSR:
    """The items left out for users start … stop − 1, as sets; needs memory for those users only."""
    return _together([between(getattr(data, part), start, stop) for part in _PARTS[seen]], stop - start)


def seen_of(data: Interactions, seen: Seen, user_B: Tensor) -> CSR:
    """The same for listed users, a row for each."""
    return _together([getattr(data, part).take(user_B) for part in _PARTS[seen]], user_B.numel())


def _together(parts: list[CSR], n_rows: int) -> CSR:
    """The union of each row over the parts."""
    nothing = torch.empty(0, dtype=torch.int32)
    row = torch.cat([nothing, *(part.rows() for part in parts)])
    item = torch.cat([nothing, *(part.indices for part in parts)])
    return CSR.from_pairs(row, item, n_rows).sorted_unique()
