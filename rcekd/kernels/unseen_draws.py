"""Uniform draws without replacement from the items a user has not seen."""

from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.checks import as_ids, check_ascending_rows, check_indptr
from rcekd.kernels.csr import CSR


def unseen_draws(
    seen: CSR, n_items: int, draws: int, *, seed: int, epoch: int, users_B: Tensor | None = None
) -> Tensor:
    """int32 [B, L]: for each user L different items, uniform over those not in the user's row of `seen`, in draw order.

    Every ordered outcome is equally likely. Where fewer than L items are left, all are drawn and −1 follows. Rows
    follow `users_B` (all users when None), may repeat, and are keyed by (seed, epoch, user), so a user's draws depend
    on nothing else. Rows of `seen` must be ascending without repeats (`CSR.sorted_unique`). Raises ValueError.
    """
    if draws < 0:
        raise ValueError(f"draws must be ≥ 0, not {draws}")
    check_indptr("seen.indptr", seen.indptr, seen.indices.numel())
    seen = CSR(seen.indptr, as_ids("seen.indices", seen.indices, n_items))
    check_ascending_rows("seen", seen.indptr, seen.indices)
    if users_B is not None:
        users_B = as_ids("users_B", users_B, seen.n_rows)
    return reference.unseen_draws(seen, n_items, draws, seed=seed, epoch=epoch, users_B=users_B)
