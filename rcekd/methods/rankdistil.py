"""RankDistil: match the teacher's order at the top, hold down everything else (Reddi et al., AISTATS 2021).

The only form of the loss that could be read is "Coupled-RankDistil" in tensorflow/ranking (`CoupledRankDistilLoss`),
the cross-entropy between the teacher's and the student's k-Plackett distributions over permutations, by sampling:

    π ~ Plackett–Luce(t / τᵀ) over the list, by sorting t/τᵀ + Gumbel noise;   L_u = mean over S samples of
    Σ_{j ≤ k} [ log Σ_{m ≥ j} e^{s_π(m) / τ} − s_π(j) / τ ]

Items that come late in π stand only under the logarithm: a high score there costs. The paper's text could not be read
(its abstract, the library's definition and RCE-KD's summary could), so what follows is ours: a list for a catalogue
is the teacher's top n together with L uniform draws from the rest, which stand at the end of every π; permutations and
draws are made anew each epoch, so S = 1, not the library's 8, is an unbiased loss; the library drops lists whose
labels sum to 0 or less, which would drop users by the sign of their scores. The paper's other variants (binary,
regression, hinge) are not here.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.plackett_luce import plackett_luce
from rcekd.kernels.unseen_draws import unseen_draws
from rcekd.methods.base import Method, MethodSettings, require_started
from rcekd.methods.common.item_sets import hidden_items, joined, padded_scores
from rcekd.methods.common.ranges import Temperature
from rcekd.models import Backbone, Batch
from rcekd.streams import stream
from rcekd.teachers import TeacherKnowledge

BLOCK_BYTES = 64 << 20


class RankDistilSettings(MethodSettings):
    """Settings of RankDistil."""

    name: Literal["rankdistil"] = "rankdistil"
    weight: float = Field(default=0.1, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    top_k: PositiveInt = Field(default=50, alias="K", description="k: positions of a permutation that are matched")
    pool: PositiveInt = Field(default=50, alias="n", description="n: the teacher's top items that are permuted")
    draws: NonNegativeInt = Field(default=100, alias="L", description="L: other items drawn per user and epoch")
    samples: PositiveInt = Field(default=1, alias="S", description="S: permutations per user and epoch")
    tau: Temperature = Field(default=1.0, description="temperature of the teacher's permutations; towards 0: its order")
    logit_tau: Temperature = Field(default=1.0, description="temperature of the student's scores")
    mask: Literal["none", "train"] = Field(default="train", description="whether training items are left out")

    @model_validator(mode="after")
    def _check_pool(self) -> "RankDistilSettings":
        if self.pool < self.top_k:
            raise ValueError(f"n = {self.pool} is shorter than K = {self.top_k}; give at least K")
        return self

    def list_lengths(self) -> dict[str, int]:
        return {"K": self.top_k, "n": self.pool, "L": self.draws}


def permutations(score_UN: Tensor, samples: int, generator: torch.Generator) -> Tensor:
    """int16, int32 where N is above 32768, [U, S, N]: positions in draws from Plackett–Luce, the best first.

    −inf scores come last.
    """
    dtype = torch.int16 if score_UN.shape[1] - 1 <= torch.iinfo(torch.int16).max else torch.int32
    step = max(1, BLOCK_BYTES // (score_UN.shape[1] * samples * score_UN.element_size()))
    blocks = []
    for score_BN in torch.split(score_UN, step):
        noise_BSN = torch.empty(score_BN.shape[0], samples, score_BN.shape[1], dtype=score_BN.dtype)
        noise_BSN = noise_BSN.exponential_(generator=generator).log_().to(score_BN.device)  # −Gumbel
        blocks.append((score_BN[:, None, :] - noise_BSN).argsort(dim=2, descending=True).to(dtype))
    return torch.cat(blocks)


class RankDistil(Method):
    """−log probability of the teacher's sampled top k under the student."""

    name: ClassVar[str] = "rankdistil"
    citation: ClassVar[str] = "Reddi et al., RankDistil: Knowledge Distillation for Ranking, AISTATS 2021 (Coupled)"
    cost: ClassVar[str] = "B·((n + L)·D + S·(n + L)) a step; U·S·n·log n an epoch for the permutations"
    use: ClassVar[str] = "the teacher's scores, not its order alone, say how sure the order is"

    def __init__(self, settings: RankDistilSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings = settings
        self._knowledge = teacher
        self._seed = seed
        self._hidden = hidden_items(data, settings.mask)
        self._pool_UN: Tensor | None = None
        self._logit_UN: Tensor
        self._taken: CSR
        self._order_USN: Tensor
        self._other_UL: Tensor

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del student
        settings, n_items = self._settings, self._knowledge.n_items
        if self._pool_UN is None:
            with self.clock.phase("teacher scores"):
                self._pool_UN = self._knowledge.top_items(settings.pool, self._hidden)
                self._logit_UN = padded_scores(self._knowledge, self._pool_UN) / settings.tau
                self._taken = joined(self._hidden, self._pool_UN)
        with self.clock.phase("sampling"):
            generator = stream(self._seed, "rankdistil permutations", epoch)
            self._order_USN = permutations(self._logit_UN, settings.samples, generator)
            self._other_UL = unseen_draws(self._taken, n_items, settings.draws, seed=self._seed, epoch=epoch)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        settings = self._settings
        user_R, weight_R = self.rows(batch)
        item_RW = torch.cat([require_started(self._pool_UN)[user_R], self._other_UL[user_R]], dim=1)
        score_RW = list_scores(student.user_factors(user_R), student.item_factors(), item_RW) / settings.logit_tau
        order_RSN = self._order_USN[user_R].long()
        rest_RSL = torch.arange(order_RSN.shape[2], item_RW.shape[1], device=item_RW.device).expand(
            *order_RSN.shape[:2], -1
        )
        place_RV = torch.cat([order_RSN, rest_RSL], dim=2).flatten(1)
        score_QW = score_RW.gather(1, place_RV).view(-1, item_RW.shape[1])
        real_QW = (item_RW >= 0).gather(1, place_RV).view(-1, item_RW.shape[1])
        k = min(settings.top_k, order_RSN.shape[2])
        loss_Q = plackett_luce(score_QW, real_QW, positives=k)
        return (weight_R * loss_Q.view(-1, settings.samples).mean(1)).sum()
