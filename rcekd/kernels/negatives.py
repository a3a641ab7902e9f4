"""Uniform negatives: items the user has not seen."""

import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.checks import as_ids, check_indptr
from rcekd.kernels.csr import CSR


def sample_negatives(
    user_B: Tensor, seen: CSR, n_items: int, n_negatives: int, *, seed: int, epoch: int, first: int = 0
) -> Tensor:
    """int32 [B, N]: for each user N independent items, uniform over those not in the user's row of `seen`.

    Entry b is keyed by (seed, epoch, first + b), so any split of an epoch into batches draws the same items. Rows of
    `seen` must be ascending without repeats (`CSR.sorted_unique`). Raises ValueError naming a user who has seen all.
    """
    check_indptr("seen.indptr", seen.indptr, seen.indices.numel())
    if n_negatives < 1 or first < 0:
        raise ValueError(f"n_negatives must be ≥ 1 and first ≥ 0, not {n_negatives} and {first}")
    user_B = as_ids("user_B", user_B, seen.n_rows)
    seen = CSR(seen.indptr, as_ids("seen.indices", seen.indices, n_items))
    _check_ascending(seen)
    _check_something_unseen(user_B, seen, n_items)
    return reference.sample_negatives(user_B, seen, n_items, n_negatives, seed=seed, epoch=epoch, first=first)


def _check_ascending(seen: CSR) -> None:
    if seen.indices.numel() < 2:
        return
    falls = seen.indices.diff() <= 0
    starts = seen.indptr[1:-1]
    falls[starts[(starts > 0) & (starts < seen.indices.numel())] - 1] = False
    if bool(falls.any()):
        raise ValueError("every row of seen must be ascending without repeats; see CSR.sorted_unique")


def _check_something_unseen(user_B: Tensor, seen: CSR, n_items: int) -> None:
    full = seen.lengths()[user_B.long()] >= n_items
    if bool(full.any()):
        user = int(user_B[torch.nonzero(full)[0, 0]])
        raise ValueError(f"user {user} has seen all {n_items} items: no negative to draw")
