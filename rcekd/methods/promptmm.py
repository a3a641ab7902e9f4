"""PromptMM: rankings and features of a multimodal teacher for a plain student (Wei et al., WWW 2024, arXiv 2402.17188).

Per interaction (u, i⁺, i⁻) and, for lists, i⁺ with N items that u has not seen, drawn uniformly per user and epoch:

    pair   KL( σ((t⁺ − t⁻)/τ) ‖ σ((s⁺ − s⁻)/τ) ), of two outcomes
    list   α · KL of (positive, all others) + β · KL among the others, of softmax(t/τ) against softmax(s/τ)
    feature  Σ over modalities of (1 − cos(x_i⁺, y_i⁺))², x the modality's and y the student's item factors

    L = r₁ · pair + r₂ · Σ over the fused scores, or the modalities', of list + r₃ · feature

`parts: logit`, all that is possible with a teacher that has no modalities, is pair and list on the teacher's scores,
the part RCE-KD compares with; `whole` takes lists on every modality's scores and adds the features. The prompt tuning
belongs to the teacher's own training, and the start from the teacher's final factors to the student's; neither is a
loss.

The public code (HKUDS/PromptMM, codes/main.py) hands losses, not log-probabilities, to `KLDivLoss` in pair and list:
the minimised terms are l_T · (log l_T − l_S), unbounded below in the student's loss l_S, and its disentangled list is
computed on probabilities put through a second softmax, logged and never added. A loss without a minimum is no variant
worth offering: what the text says is here, and no `variant: code`.

In the paper student and modalities are of one width; where they are not here, y is a trained linear map of the
student's.
"""

from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, embedding, logsigmoid

from rcekd.datasets import Interactions
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.unseen_draws import unseen_draws
from rcekd.methods.base import Method, MethodSettings, require_started
from rcekd.methods.common.item_sets import padded_scores
from rcekd.methods.common.projection import projection
from rcekd.methods.common.ranges import Temperature
from rcekd.models import Backbone, Batch
from rcekd.teachers import FactorTeacher, Need, TeacherKnowledge


class PromptMMSettings(MethodSettings):
    """Settings of PromptMM."""

    name: Literal["promptmm"] = "promptmm"
    weight: float = Field(default=1.0, ge=0.0, alias="lambda", description="λ: weight of all beside the base loss")
    parts: Literal["logit", "whole"] = Field(
        default="logit", description="the teacher's scores alone, or every modality's scores and factors"
    )
    negatives: PositiveInt = Field(default=10, alias="N", description="N: unseen items in a list")
    pair: float = Field(default=1.0, ge=0.0, alias="r1", description="r₁: weight of the pairs")
    list_weight: float = Field(default=1.0, ge=0.0, alias="r2", description="r₂: weight of the lists")
    feature: float = Field(default=0.1, ge=0.0, alias="r3", description="r₃: weight of the features")
    alpha: float = Field(default=1.0, ge=0.0, description="α: weight of the positive against the rest of a list")
    beta: float = Field(default=1.0, ge=0.0, description="β: weight of the order among the rest")
    tau: Temperature = Field(default=1.0, description="τ: temperature of pairs and lists")

    def needs(self) -> frozenset[Need]:
        return super().needs() | {"modalities"} if self.parts == "whole" else super().needs()

    def list_lengths(self) -> dict[str, int]:
        return {"N": self.negatives}


class Ordered(NamedTuple):
    """A batch's interactions in one order, whatever the batch's, and how much each counts."""

    user_B: Tensor
    positive_B: Tensor
    negative_BN: Tensor
    weight_B: Tensor


def pair_divergence(student_B: Tensor, teacher_B: Tensor) -> Tensor:
    """KL between two Bernoulli laws given by logits, [B]."""
    share_B = teacher_B.sigmoid()
    win_B = logsigmoid(teacher_B) - logsigmoid(student_B)
    lose_B = logsigmoid(-teacher_B) - logsigmoid(-student_B)
    return share_B * win_B + (1.0 - share_B) * lose_B


def list_divergence(student_BW: Tensor, teacher_BW: Tensor, alpha: float, beta: float) -> Tensor:
    """α · KL of (first, the rest) + β · KL among the rest, [B]; −inf entries are not there."""
    rest = [logit_BW[:, 1:] for logit_BW in (student_BW, teacher_BW)]
    odds = [
        logit_BW[:, 0] - rest_BV.logsumexp(1) for logit_BW, rest_BV in zip((student_BW, teacher_BW), rest, strict=True)
    ]
    log_s_BV, log_t_BV = (logit_BV.log_softmax(1) for logit_BV in rest)
    gap_BV = (log_t_BV - log_s_BV).masked_fill(rest[1] == -torch.inf, 0.0)
    return alpha * pair_divergence(odds[0], odds[1]) + beta * (log_t_BV.exp() * gap_BV).sum(1)


class PromptMM(Method):
    """True divergences of pairs and lists, and of features where the teacher has modalities."""

    name: ClassVar[str] = "promptmm"
    citation: ClassVar[str] = "Wei et al., PromptMM: Multi-Modal KD for Recommendation, WWW 2024, arXiv 2402.17188"
    cost: ClassVar[str] = "B·(N + 2)·D + 2B·(the teacher's widths) a step; U·N·(those) an epoch"
    use: ClassVar[str] = "a multimodal teacher (parts=whole); parts=logit with any other"

    def __init__(self, settings: PromptMMSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings = settings
        self._data = data
        self._seed = seed
        self._fused = teacher
        self._modalities = [*teacher.modalities.values()] if settings.parts == "whole" else []
        judges: list[TeacherKnowledge] = [FactorTeacher(tables) for tables in self._modalities]
        self._judges = judges or [teacher]
        self._maps = nn.ModuleList()
        self._negative_UN: Tensor | None = None
        self._judged_UN: list[Tensor] = []

    def meet(self, student: Backbone) -> None:
        super().meet(student)
        widths = [tables.item_ID.shape[1] for tables in self._modalities]
        purposes = [f"promptmm projection {number}" for number in range(len(widths))]
        made = [projection(student.dim, w, seed=self._seed, purpose=p) for w, p in zip(widths, purposes, strict=True)]
        self._maps = nn.ModuleList(made)
        self.trained.add_module("maps", self._maps)

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del student
        with self.clock.phase("sampling"):
            n_items, draws = self._data.n_items, self._settings.negatives
            drawn_UN = unseen_draws(self._data.seen, n_items, draws, seed=self._seed, epoch=epoch)
        with self.clock.phase("teacher scores"):
            user_U = torch.arange(drawn_UN.shape[0], device=drawn_UN.device)
            self._judged_UN = [self._judged(judge, user_U, drawn_UN) for judge in self._judges]
        self._negative_UN = drawn_UN

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        settings = self._settings
        user_B, positive_B, negative_BN, weight_B = self._ordered(batch)
        user_BD, item_ID = student.user_factors(user_B), student.item_factors()
        shown_BW = torch.cat([positive_B[:, None], negative_BN, require_started(self._negative_UN)[user_B]], dim=1)
        score_BW = list_scores(user_BD, item_ID, shown_BW) / settings.tau
        n_pairs = negative_BN.shape[1]
        fused_BP = self._judged(self._fused, user_B, shown_BW[:, : 1 + n_pairs])
        pair_BN = pair_divergence(*(s[:, :1] - s[:, 1 : 1 + n_pairs] for s in (score_BW, fused_BP)))
        loss_B = settings.pair * pair_BN.mean(1)
        listed_BW = torch.cat([shown_BW[:, :1], shown_BW[:, 1 + n_pairs :]], dim=1)
        student_BW = torch.cat([score_BW[:, :1], score_BW[:, 1 + n_pairs :]], dim=1).masked_fill(
            listed_BW < 0, -torch.inf
        )
        for judge, judged_UN in zip(self._judges, self._judged_UN, strict=True):
            first_B1 = fused_BP[:, :1] if judge is self._fused else self._judged(judge, user_B, positive_B[:, None])
            teacher_BW = torch.cat([first_B1, judged_UN[user_B]], dim=1)
            loss_B = loss_B + settings.list_weight * list_divergence(
                student_BW, teacher_BW, settings.alpha, settings.beta
            )
        positive_BD = embedding(positive_B, item_ID)
        for tables, to_modality in zip(self._modalities, self._maps, strict=True):
            cosine_B = cosine_similarity(to_modality(positive_BD), tables.item_ID[positive_B], dim=1)
            loss_B = loss_B + settings.feature * (1.0 - cosine_B) ** 2
        return (weight_B * loss_B).sum()

    def _judged(self, teacher: TeacherKnowledge, user_B: Tensor, item_BW: Tensor) -> Tensor:
        """A teacher's logits of the lists, −inf at padding."""
        return padded_scores(teacher, item_BW, user_B) / self._settings.tau

    def _ordered(self, batch: Batch) -> Ordered:
        user_B, positive_B = batch.user_B.long(), batch.positive_B.long()
        order_B = (user_B * self._data.n_items + positive_B).argsort(stable=True)
        _, weight_R = self.rows(batch)
        _, place_B, count_R = torch.unique(user_B[order_B], return_inverse=True, return_counts=True)
        weight_B = (weight_R / count_R)[place_B]
        return Ordered(user_B[order_B], positive_B[order_B], batch.negative_BN[order_B], weight_B)
