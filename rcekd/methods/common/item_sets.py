"""Item sets of all users, kept padded with −1 while they are built and ragged when they are used."""

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.kernels.set_cross_entropy import ItemSets
from rcekd.kernels.set_softmax import set_softmax
from rcekd.methods.common.sampling import first_occurrences
from rcekd.teachers import TeacherKnowledge


def contains(set_UW: Tensor, item_UK: Tensor) -> Tensor:
    """Row by row, which of `item_UK` stand in `set_UW`; padding is in no set. Returns bool [U, K]."""
    if set_UW.shape[1] == 0:
        return torch.zeros_like(item_UK, dtype=torch.bool)
    sorted_UW = set_UW.sort(dim=1).values.contiguous()
    place_UK = torch.searchsorted(sorted_UW, item_UK.contiguous()).clamp_(max=set_UW.shape[1] - 1)
    return (sorted_UW.gather(1, place_UK) == item_UK) & (item_UK >= 0)


def drop_repeats(item_UW: Tensor) -> Tensor:
    """The same rows with every second and later occurrence of an item replaced by −1."""
    return item_UW.masked_fill(~first_occurrences(item_UW), -1)


def ragged(item_UW: Tensor) -> tuple[Tensor, Tensor]:
    """Padded rows as (indptr int64 [U + 1], items int32)."""
    valid_UW = item_UW >= 0
    indptr = torch.cat([valid_UW.new_zeros(1, dtype=torch.int64), valid_UW.sum(1).cumsum(0)])
    return indptr, item_UW[valid_UW]


def judged_sets(teacher: TeacherKnowledge, padded: list[Tensor], tau: float) -> ItemSets:
    """Several sets per user with the teacher's softmax over each.

    padded: G tensors int32 [U, W_g]. Set g of user u becomes row g·U + u.
    """
    pieces = [ragged(item_UW) for item_UW in padded]
    offsets = [0, *torch.tensor([items.numel() for _, items in pieces]).cumsum(0).tolist()]
    indptr = torch.cat([pieces[0][0][:1], *[p[1:] + offset for (p, _), offset in zip(pieces, offsets, strict=False)]])
    items = torch.cat([items for _, items in pieces])
    user_S = torch.arange(teacher.n_users, dtype=torch.int32, device=items.device).repeat(len(padded))
    score = teacher.scores(user_S, indptr, items)
    return ItemSets(indptr, items, set_softmax(score, indptr, tau=tau))


def hidden_items(data: Interactions, mask: str) -> CSR:
    """What a user's lists and draws leave out: the training items under `mask="train"`, nothing otherwise."""
    if mask == "train":
        return data.seen
    return CSR(torch.zeros_like(data.seen.indptr), data.seen.indices.new_empty(0))


def joined(rows: CSR, item_UK: Tensor) -> CSR:
    """Every row together with the items of `item_UK` (−1 padded): sets again, ascending and without repeats."""
    indptr, items = ragged(item_UK)
    both_user = torch.cat([rows.rows(), CSR(indptr, items).rows()])
    return CSR.from_pairs(both_user, torch.cat([rows.indices, items]), rows.n_rows).sorted_unique()


def padded_scores(teacher: TeacherKnowledge, item_RK: Tensor, user_R: Tensor | None = None) -> Tensor:
    """The teacher's scores of a list per row, float32 [R, K], −inf at padding. Rows are users (None: all, in order)."""
    indptr, items = ragged(item_RK)
    user_R = torch.arange(item_RK.shape[0], device=item_RK.device) if user_R is None else user_R
    score = teacher.scores(user_R.to(torch.int32), indptr, items)
    return score.new_full(item_RK.shape, -torch.inf).masked_scatter_(item_RK >= 0, score)
