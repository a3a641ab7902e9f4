"""Plain-torch draws from the student's horizon (the authors' sampler)."""

from typing import Literal

import torch
from torch import Tensor

from rcekd.kernels.reference.philox import Stream, philox, philox_key, uniform53


def horizon_draws(
    student_item_BM: Tensor,
    teacher_item_BK: Tensor,
    *,
    draws: int,
    tau: float,
    seed: int,
    epoch: int,
    users_B: Tensor | None = None,
    top_k: int,
    raised_by: Literal["teacher", "missing"] = "teacher",
    inclusive: bool = True,
    clip: int | None = 50,
    exclude_teacher: bool = False,
    by_rank: bool = False,
) -> Tensor:
    """int32 [B, L], −1 padded: the L smallest keys E / w in ascending order, E ~ Exp(1) per (user, position).

    Drawing successively without replacement ∝ w has the same law (Efraimidis and Spirakis 2006).
    """
    batch, listed = student_item_BM.shape
    user_B = torch.arange(batch, device=student_item_BM.device) if users_B is None else users_B.long()
    position = torch.arange(listed, device=student_item_BM.device)
    present_BM = student_item_BM >= 0
    taught_BM = (student_item_BM[:, :, None] == teacher_item_BK[:, None, :]).any(-1) & present_BM
    if by_rank:
        log_weight_BM = (-(position + 1.0).double() / tau).expand(batch, -1)
    else:
        raising_BM = taught_BM & (position >= top_k) if raised_by == "missing" else taught_BM
        z_BM = raising_BM.flip(1).cumsum(1).flip(1)
        z_BM = z_BM if inclusive else z_BM - raising_BM.long()
        log_weight_BM = (z_BM if clip is None else z_BM.clamp(max=clip)).double() / tau
    zero = torch.zeros((), dtype=torch.int64, device=student_item_BM.device)
    key = philox_key(seed, epoch, Stream.HORIZON)
    high, low, _, _ = philox(key, user_B[:, None] & 0xFFFFFFFF, position[None, :], zero, zero)
    race_BM = (-uniform53(high, low).log()).log() - log_weight_BM
    race_BM = race_BM.masked_fill(~present_BM | (taught_BM if exclude_teacher else False), torch.inf)
    key_BM, order_BM = race_BM.sort(dim=1, stable=True)
    item_BM = student_item_BM.gather(1, order_BM).masked_fill(key_BM == torch.inf, -1)[:, :draws]
    result_BL = torch.full((batch, draws), -1, dtype=torch.int32, device=student_item_BM.device)
    result_BL[:, : item_BM.shape[1]] = item_BM
    return result_BL
