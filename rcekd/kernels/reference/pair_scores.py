"""Plain-torch scores of ragged (user, item) pairs."""

from torch import Tensor

from rcekd.kernels.reference.segments import entry_rows


def pair_scores(
    user_factor_UD: Tensor, item_factor_ID: Tensor, user_R: Tensor, indptr: Tensor, items: Tensor
) -> Tensor:
    """score of (user_R[r], items[e]) for every entry e of every row r, [entries]."""
    user = user_R.long()[entry_rows(indptr)]
    return (user_factor_UD[user] * item_factor_ID[items.long()]).sum(-1)
