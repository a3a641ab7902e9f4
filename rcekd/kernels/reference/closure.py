"""The plain-torch twin of the closure pass: every item of every user enumerated, in float64 where the law is concerned.

RCE-KD (arXiv 2509.20989), equations 7-9 and section 5.3. Drawing without replacement with successive probabilities
proportional to w is keeping the smallest keys E/w, E exponential (Efraimidis & Spirakis, 2006): here log E - log w.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.philox import Stream, philox, philox_key, uniform53
from rcekd.kernels.reference.scores import chain_scores, require_finite
from rcekd.kernels.reference.topk import best_first, seen_mask

RaisedBy = Literal["missing", "teacher"]


@dataclass(frozen=True)
class Closure:
    """What one epoch of RCE-KD needs to know of the student. Rows follow the users asked for; -1 and -inf pad.

    student_item_BK, student_score_BK: the student's top-K, best first (int32, float32).
    mastered_BK: is the teacher's k-th item in the student's top-K (a member of Q1)? False for padding.
    draw_BL, draw_score_BL: the items drawn, in the order of drawing, and the student's scores of them.
    """

    student_item_BK: Tensor
    student_score_BK: Tensor
    mastered_BK: Tensor
    draw_BL: Tensor
    draw_score_BL: Tensor


def _membership(item_BK: Tensor, n_items: int) -> Tensor:
    """Bool [B, I] of padded id lists."""
    mask = torch.zeros(item_BK.shape[0], n_items + 1, dtype=torch.bool, device=item_BK.device)
    mask.scatter_(1, item_BK.long().masked_fill(item_BK < 0, n_items), True)
    return mask[:, :n_items]


def raise_counts(score_BI: Tensor, raising_BI: Tensor, inclusive: bool, clip: int | None) -> Tensor:
    """z [B, I], int64: how many raising items score below each item (or no higher, when `inclusive`)."""
    z_BI = torch.empty(score_BI.shape, dtype=torch.int64, device=score_BI.device)
    for row, score_I in enumerate(score_BI):
        threshold = score_I[raising_BI[row]].sort().values
        z_BI[row] = torch.searchsorted(threshold, score_I.contiguous(), right=inclusive)
    return z_BI if clip is None else z_BI.clamp(max=clip)


def _draw(z_BI: Tensor, open_BI: Tensor, draws: int, tau: float, key: int, users_B: Tensor) -> Tensor:
    """Items [B, L] in order of drawing, -1 where the open ones have run out."""
    item_I = torch.arange(z_BI.shape[1], device=z_BI.device)
    zero = item_I.new_zeros(())
    word = philox(key, item_I, users_B[:, None], zero, zero)
    race_BI = (-uniform53(word[0], word[1]).log()).log() - z_BI / tau
    race_BI = race_BI.masked_fill(~open_BI, torch.inf)
    ordered, order = race_BI.sort(dim=1, stable=True)
    item_BL = order.masked_fill(ordered == torch.inf, -1)[:, :draws].int()
    return torch.nn.functional.pad(item_BL, (0, draws - item_BL.shape[1]), value=-1)


def closure(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    teacher_item_BK: Tensor,
    *,
    draws: int,
    tau: float,
    seed: int,
    epoch: int,
    users_B: Tensor | None = None,
    seen: CSR | None = None,
    raised_by: RaisedBy = "missing",
    inclusive: bool = False,
    clip: int | None = None,
    exclude_teacher: bool = True,
) -> Closure:
    """See `rcekd.kernels.closure.closure`. The draws are the native ones wherever those buffer every item."""
    n_items = item_factor_ID.shape[0]
    everyone = torch.arange(user_factor_UD.shape[0], device=user_factor_UD.device)
    users_B = everyone if users_B is None else users_B.long()
    score_BI = chain_scores(user_factor_UD[users_B], item_factor_ID)
    require_finite(score_BI, users_B)
    hidden_BI = seen_mask(seen, users_B, n_items)

    student_item_BK, student_score_BK = best_first(score_BI, hidden_BI, teacher_item_BK.shape[1])
    teacher_BI = _membership(teacher_item_BK, n_items) & ~hidden_BI
    student_BI = _membership(student_item_BK, n_items)
    raising_BI = teacher_BI & ~student_BI if raised_by == "missing" else teacher_BI
    open_BI = ~hidden_BI & ~teacher_BI if exclude_teacher else ~hidden_BI

    z_BI = raise_counts(score_BI, raising_BI, inclusive, clip)
    draw_BL = _draw(z_BI, open_BI, draws, tau, philox_key(seed, epoch, Stream.CLOSURE_HIGH), users_B)
    draw_score_BL = score_BI.gather(1, draw_BL.long().clamp(min=0)) if n_items else score_BI.new_empty(draw_BL.shape)
    mastered_BI = torch.nn.functional.pad(teacher_BI & student_BI, (0, 1))
    mastered_BK = mastered_BI.gather(1, teacher_item_BK.long().masked_fill(teacher_item_BK < 0, n_items))
    return Closure(
        student_item_BK, student_score_BK, mastered_BK, draw_BL, draw_score_BL.masked_fill(draw_BL < 0, -torch.inf)
    )
