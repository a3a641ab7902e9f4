"""Fused streaming top-K: the best items of each user by inner product, never storing a score matrix."""

from torch import Tensor

from rcekd.kernels import scan_inputs
from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.topk import topk as reference_topk


def topk(
    user_factor_UD: Tensor, item_factor_ID: Tensor, k: int, *, users_B: Tensor | None = None, seen: CSR | None = None
) -> tuple[Tensor, Tensor]:
    """The k best items of each user: ids [B, k] int32 and scores [B, k] float32, best first, equal scores by lowest id.

    A score is one float32 FMA chain over D in ascending order, the same bits on every processor, for every number of
    threads and every batch. Rows follow `users_B` (all users when None). Items in the user's row of `seen` (a CSR over
    all users, rows ascending) are left out. Where fewer than k remain, ids are -1 and scores -inf.

    Raises FloatingPointError, naming the user, when a score is NaN or infinite; ValueError or TypeError on misuse.
    """
    user_factor_UD, item_factor_ID = scan_inputs.factor_tables(user_factor_UD, item_factor_ID)
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    users_B = scan_inputs.chosen_users(users_B, user_factor_UD.shape[0])
    seen = scan_inputs.seen_items(seen, user_factor_UD.shape[0], item_factor_ID.shape[0])
    return reference_topk(user_factor_UD, item_factor_ID, k, users_B=users_B, seen=seen)
