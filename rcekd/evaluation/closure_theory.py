"""Whether cross-entropy on a set of items bounds the student's NDCG there: RCE-KD's Theorems 4.1 and 4.4, in numbers.

For one user, a set J, the student's scores s and the teacher's scores t (Zhu & Zhang, arXiv 2509.20989, section 4,
appendix B):

    π⁻¹(i) = rank of i among all items I by s, 1 = best;  y_i = log₂(softmax_I(t)_i + 1), so 2^y_i − 1 = softmax_I(t)_i
    NDCG_J = Σ_{i∈J} (2^y_i − 1) / log₂(1 + π⁻¹(i)), over the same with J in the teacher's order from rank 1    (4, 5)
    closed: what the student ranks above a member of J is a member                                   (Assumption 4.3)
    log NDCG_J ≥ −CE_J + log C_J where J is closed,                                                              (31)
        CE_J = −Σ_J softmax_J(t) log softmax_J(s),  C_J = Σ_J softmax_I(t)

Theorem 4.1 is J = I: closed, and C_I = 1. Equal scores are ranked by the lower id first, as everywhere in rcekd; any
order of ties will do for the proof, which needs no more of π than that scores do not rise with it.

The proof gives more than (31) says: the ideal DCG is at most C_J, not only at most 1 (22), so that log C_J cancels and
log NDCG_J ≥ −CE_J on every closed set. `slack` is measured against (31), `sharp_slack` against that.
"""

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

ROUNDING = 1e-9
"""A bound counts as violated from here on: float64 sums over a catalogue are exact to far less."""


class Judged(NamedTuple):
    """What the theorems speak of, for B users with a set each; [B], float64 but for the counts (int64)."""

    size: Tensor
    """|J|."""
    missing: Tensor
    """Items outside J that the student ranks above a member of J: those that closure lacks."""
    ce: Tensor
    """CE_J, in nats."""
    log_ndcg: Tensor
    """log NDCG_J, natural."""
    log_mass: Tensor
    """log C_J: how much of the teacher's softmax over I lies in J."""

    @property
    def closed(self) -> Tensor:
        """Whether J satisfies Assumption 4.3, bool [B]."""
        return self.missing == 0

    @property
    def bound(self) -> Tensor:
        """−CE_J + log C_J, the right side of (31)."""
        return self.log_mass - self.ce

    @property
    def slack(self) -> Tensor:
        """log NDCG_J − bound: not negative where J is closed."""
        return self.log_ndcg - self.bound

    @property
    def violated(self) -> Tensor:
        """Whether (31) fails, bool [B]."""
        return self.slack < -ROUNDING

    @property
    def sharp_slack(self) -> Tensor:
        """log NDCG_J + CE_J: not negative either where J is closed."""
        return self.log_ndcg + self.ce

    @property
    def sharp_violated(self) -> Tensor:
        """Whether log NDCG_J ≥ −CE_J fails, bool [B]."""
        return self.sharp_slack < -ROUNDING


def ranks(score_BI: Tensor) -> Tensor:
    """Rank of every item in its row, 1 = the largest score, equal ones by lower id: float32 to int64 [B, I]."""
    # As whole numbers floats keep their order, once those below zero are turned round; −0 becomes 0 before. With the id
    # below the score, numpy's unstable sort will do, in less than half the time of a stable sort of floats.
    bits_BI = (score_BI + 0.0).view(torch.int32).long()
    rising_BI = torch.where(bits_BI < 0, bits_BI ^ 0x7FFFFFFF, bits_BI)
    key_BI = (-rising_BI << 32) + torch.arange(score_BI.shape[1])
    key_BI.numpy().sort(axis=1)
    order_BI = key_BI & 0xFFFFFFFF
    place_I = torch.arange(1, score_BI.shape[1] + 1).expand_as(order_BI)
    return torch.empty_like(order_BI).scatter_(1, order_BI, place_I)


class TeacherBlock:
    """The teacher's side for a block of users: all that does not change while a student learns.

    teacher_BI: the teacher's scores of all items, any float type. tau: temperature of both softmaxes; the theorems then
    are about the scores divided by it, which rank as before.
    """

    def __init__(self, teacher_BI: Tensor, *, tau: float = 1.0) -> None:
        self.tau = tau
        self.log_share_BI = torch.log_softmax(teacher_BI.double() / tau, dim=1)
        """log softmax_I(t)."""

    @cached_property
    def share_BI(self) -> Tensor:
        """softmax_I(t)."""
        return self.log_share_BI.exp()

    @cached_property
    def ideal_catalogue_B(self) -> Tensor:
        """The ideal DCG over all items."""
        return _ideal_dcg(self.share_BI)


class StudentBlock:
    """The student's side for the same block of users, at one moment. student_BI: its scores of all items, float32."""

    def __init__(self, student_BI: Tensor, teacher: TeacherBlock) -> None:
        self._teacher = teacher
        self._score_BI = student_BI.double() / teacher.tau
        self.rank_BI = ranks(student_BI)
        """π⁻¹, from the scores as they are: dividing could make ties."""

    def judge(self, item_BW: Tensor) -> Judged:
        """Of the sets in `item_BW`, int [B, W]: a user's distinct items, −1 where the set is smaller than W.

        A set without items has no NDCG: NaN.
        """
        valid_BW = item_BW >= 0
        size_B = valid_BW.sum(1)
        index_BW = item_BW.clamp(min=0).long()
        rank_BW = self.rank_BI.gather(1, index_BW)
        log_share_BW = self._teacher.log_share_BI.gather(1, index_BW).masked_fill(~valid_BW, -torch.inf)
        score_BW = self._score_BI.gather(1, index_BW).masked_fill(~valid_BW, -torch.inf)
        log_mass_B = log_share_BW.logsumexp(1)
        share_BW = (log_share_BW - log_mass_B[:, None]).exp()
        ideal_B = _ideal_dcg(share_BW)
        return self._judged(size_B, rank_BW.masked_fill(~valid_BW, 0), share_BW, score_BW, log_mass_B, ideal_B)

    def judge_catalogue(self) -> Judged:
        """The same for J = I: Theorem 4.1."""
        share_BI = self._teacher.share_BI
        size_B = torch.full((share_BI.shape[0],), share_BI.shape[1])
        log_mass_B = torch.zeros(share_BI.shape[0], dtype=torch.float64)
        ideal_B = self._teacher.ideal_catalogue_B
        return self._judged(size_B, self.rank_BI, share_BI, self._score_BI, log_mass_B, ideal_B)

    @staticmethod
    def _judged(
        size_B: Tensor, rank_BW: Tensor, share_BW: Tensor, score_BW: Tensor, log_mass_B: Tensor, ideal_B: Tensor
    ) -> Judged:
        """rank 0, share 0 and score −inf at padding; shares and the ideal DCG are of softmax_J: NDCG has no scale."""
        log_student_BW = torch.log_softmax(score_BW, dim=1).masked_fill(share_BW == 0.0, 0.0)
        ce_B = -(share_BW * log_student_BW).sum(1)
        # A whole number plus 1.0 would be float32.
        dcg_B = (share_BW / torch.log2(1.0 + rank_BW.clamp(min=1).double())).sum(1)
        missing_B = rank_BW.amax(1) - size_B
        return Judged(size_B, missing_B, ce_B, (dcg_B / ideal_B).log(), log_mass_B)


def _ideal_dcg(share_BW: Tensor) -> Tensor:
    """DCG of every row's gains in falling order at ranks 1, 2, …: [B]."""
    discount_W = torch.log2(torch.arange(2, share_BW.shape[1] + 2, dtype=torch.float64))
    return (share_BW.sort(dim=1, descending=True).values / discount_W).sum(1)
