"""Plain-torch cross-entropy over ragged item sets."""

from torch import Tensor

from rcekd.kernels.reference.segments import expand_rows, segment_log_softmax
from rcekd.kernels.sets import ItemSets


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
    """Σ_r weight_r · (−Σ_{i ∈ set r} prob_i · log softmax_set(s_i / τ)); differentiable, any floating dtype."""
    row, entry = expand_rows(sets.indptr, set_R.long())
    user, item = user_R.long()[row], sets.items.long()[entry]
    score = (user_factor_UD[user] * item_factor_ID[item]).sum(-1) / tau
    log_softmax = segment_log_softmax(score, row, user_R.numel())
    return -(weight_R[row] * sets.prob[entry] * log_softmax).sum()
