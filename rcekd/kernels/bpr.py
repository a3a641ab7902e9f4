"""BPR loss of a batch of (user, positive, negatives) with its gradients (Rendle et al., UAI'09)."""

from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.checks import as_ids, check_shape, check_tables


def bpr_loss(
    user_factor_UD: Tensor, item_factor_ID: Tensor, user_B: Tensor, positive_B: Tensor, negative_BN: Tensor
) -> Tensor:
    """Σ_b mean_n softplus(−(s_up − s_un)), a scalar: summed over the batch, averaged over a row's N negatives.

    Factors [U, D] and [I, D]; ids int32 or int64. Raises TypeError or ValueError for wrong dtypes, shapes or ids.
    """
    check_tables(user_factor_UD, item_factor_ID)
    batch = user_B.numel()
    check_shape("user_B", user_B, (batch,))
    check_shape("positive_B", positive_B, (batch,))
    if negative_BN.dim() != 2 or not negative_BN.shape[1]:
        raise ValueError(f"negative_BN must have shape [B, N] with N ≥ 1, not {list(negative_BN.shape)}")
    check_shape("negative_BN", negative_BN, (batch, negative_BN.shape[1]))
    user_B = as_ids("user_B", user_B, user_factor_UD.shape[0])
    positive_B = as_ids("positive_B", positive_B, item_factor_ID.shape[0])
    negative_BN = as_ids("negative_BN", negative_BN, item_factor_ID.shape[0])
    return reference.bpr_loss(user_factor_UD, item_factor_ID, user_B, positive_B, negative_BN)
