"""The plain-torch twin of the streaming top-K: every score at once, then a stable sort."""

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.scores import chain_scores, require_finite


def seen_mask(seen: CSR | None, users_B: Tensor, n_items: int) -> Tensor:
    """Bool [B, I]: is the item in the user's row of `seen`?"""
    mask_BI = torch.zeros(users_B.numel(), n_items, dtype=torch.bool, device=users_B.device)
    if seen is not None:
        for row, user in enumerate(users_B.tolist()):
            mask_BI[row, seen.indices[seen.indptr[user] : seen.indptr[user + 1]].long()] = True
    return mask_BI


def best_first(score_BI: Tensor, hidden_BI: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Items and scores [B, k] by descending score, equal scores by ascending id; -1 and -inf beyond the candidates."""
    hidden_last = score_BI.masked_fill(hidden_BI, -torch.inf)
    ordered, order = hidden_last.sort(dim=1, descending=True, stable=True)
    item_BK, score_BK = order[:, :k].int(), ordered[:, :k]
    missing = k - item_BK.shape[1]
    item_BK = torch.nn.functional.pad(item_BK, (0, max(missing, 0)), value=-1)
    score_BK = torch.nn.functional.pad(score_BK, (0, max(missing, 0)), value=-torch.inf)
    return item_BK.masked_fill(score_BK == -torch.inf, -1), score_BK


def topk(
    user_factor_UD: Tensor, item_factor_ID: Tensor, k: int, *, users_B: Tensor | None = None, seen: CSR | None = None
) -> tuple[Tensor, Tensor]:
    """See `rcekd.kernels.topk.topk`; also takes float64 factors."""
    everyone = torch.arange(user_factor_UD.shape[0], device=user_factor_UD.device)
    users_B = everyone if users_B is None else users_B.long()
    score_BI = chain_scores(user_factor_UD[users_B], item_factor_ID)
    require_finite(score_BI, users_B)
    return best_first(score_BI, seen_mask(seen, users_B, item_factor_ID.shape[0]), k)
