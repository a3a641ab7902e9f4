"""Cross-entropy between teacher and student softmaxes over ragged item sets (RCE-KD, equation 7 and below)."""

from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.checks import as_ids, check_indptr, check_shape, check_tables
from rcekd.kernels.sets import ItemSets

__all__ = ["ItemSets", "set_cross_entropy"]


def set_cross_entropy(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    sets: ItemSets,
    user_R: Tensor,
    set_R: Tensor,
    weight_R: Tensor,
    *,
    tau: float = 1.0,
) -> Tensor:
    """Σ_r weight_r · (−Σ_{i ∈ set_r} prob_i · log softmax_{set_r}(s_{user_r, i} / τ)), a scalar.

    Row r pairs user `user_R[r]` with set `set_R[r]`; rows come in any order, users may repeat. A NaN score gives a NaN
    loss, which the caller checks. Raises TypeError or ValueError for wrong dtypes, shapes or ids.
    """
    check_tables(user_factor_UD, item_factor_ID)
    check_indptr("sets.indptr", sets.indptr, sets.items.numel())
    check_shape("sets.prob", sets.prob, tuple(sets.items.shape))
    rows = user_R.numel()
    check_shape("user_R", user_R, (rows,))
    check_shape("set_R", set_R, (rows,))
    check_shape("weight_R", weight_R, (rows,))
    if tau <= 0:
        raise ValueError(f"tau must be positive, not {tau}")
    items = as_ids("sets.items", sets.items, item_factor_ID.shape[0])
    user_R = as_ids("user_R", user_R, user_factor_UD.shape[0])
    set_R = as_ids("set_R", set_R, sets.indptr.numel() - 1)
    sets = ItemSets(sets.indptr, items, sets.prob)
    return reference.set_cross_entropy(user_factor_UD, item_factor_ID, sets, user_R, set_R, weight_R, tau=tau)
