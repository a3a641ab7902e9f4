"""Plain-torch BPR loss."""

from torch import Tensor
from torch.nn.functional import softplus


def bpr_loss(
    user_factor_UD: Tensor, item_factor_ID: Tensor, user_B: Tensor, positive_B: Tensor, negative_BN: Tensor
) -> Tensor:
    """Σ_b mean_n softplus(s_un − s_up); differentiable, any floating dtype."""
    user_BD = user_factor_UD[user_B.long()]
    positive_score_B = (user_BD * item_factor_ID[positive_B.long()]).sum(-1)
    negative_score_BN = (user_BD[:, None] * item_factor_ID[negative_BN.long()]).sum(-1)
    return softplus(negative_score_BN - positive_score_B[:, None]).mean(1).sum()
