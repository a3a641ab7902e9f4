"""UnKD, Unbiased Knowledge Distillation (Chen et al., WSDM 2023): pairs drawn inside groups of like popularity.

    items by training popularity, cut into G groups of equal total popularity
    per user and group: n_g pairs of the teacher's ranks inside the group, training items left out, p(r) ∝ e^(−r / τ),
    different ranks, the better one is i, the other j
    L_UnKD = mean over the user's pairs of −log σ(s_i − s_j)

so that the student cannot lower the loss by preferring what is popular. Drawn anew each epoch.

The authors' chengang95/UnKD (sample.py, dataloader.py) fills in what the text leaves open, and is followed: the most
popular item is first, an item that overflows its group opens the next, the last group joins the one before where it
holds no more than half its share, never-trained items are in no group; n_g = round(n · share_g) with share_g ∝
f_g^lamda, f_g = (largest + smallest − own) mean popularity of the groups, made to add up to 1, rounded to two places
and at least 0.1; what is missing to n goes to the first groups, what is over stays: n = 30 in four groups of equal
shares is 4 · round(7.5) = 32 pairs. Their README's run leaves lamda at 0: equal shares.
They redraw a group's pairs until none ties, which is to redraw the tied ones. A group of fewer than two unseen items,
at which their code fails, gives no pairs. Their rank list ends at 1000; e^(−300/20) = 3·10⁻⁷ lets the default end at
300. Items of equal popularity stand here in the order of their ids.
"""

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn.functional import logsigmoid

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.topk import topk
from rcekd.methods.base import Method, MethodSettings, require_started
from rcekd.methods.common.ranges import Temperature
from rcekd.methods.common.sampling import ordered_pairs, take
from rcekd.models import Backbone, Batch
from rcekd.streams import stream
from rcekd.teachers import Need, TeacherKnowledge


class UnKDSettings(MethodSettings):
    """Settings of UnKD."""

    name: Literal["unkd"] = "unkd"
    weight: float = Field(default=1.0, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    groups: PositiveInt = Field(default=4, alias="G", description="G: groups of equal total popularity")
    pairs: PositiveInt = Field(default=30, alias="n", description="n: pairs per user and epoch, about so many")
    tau: Temperature = Field(default=20.0, description="ranks over which the chance to be drawn decays")
    favour: float = Field(default=0.0, alias="lamda", description="0: equal shares; 1: rarer groups more")
    pool: PositiveInt = Field(default=300, description="ranks of a group that are drawn from, at most the group")

    def needs(self) -> frozenset[Need]:
        return frozenset({"factors"})


class UnKD(Method):
    """Pairwise logistic loss on the teacher's order inside popularity groups."""

    name: ClassVar[str] = "unkd"
    citation: ClassVar[str] = "Chen et al., Unbiased Knowledge Distillation for Recommendation, WSDM 2023, 2211.14729"
    cost: ClassVar[str] = "B·2n·D a step; U·2n draws an epoch; G scans of the teacher once"
    use: ClassVar[str] = "where distillation must not make popular items more popular"

    def __init__(self, settings: UnKDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings, self._seed = settings, seed
        count_I = torch.bincount(data.train.indices, minlength=data.n_items)
        groups = popularity_groups(count_I, settings.groups)
        popularity_G = [float(count_I[group].double().mean()) for group in groups]
        self._quota = quotas(popularity_G, settings.pairs, settings.favour)
        self._ranked = [self._group_ranking(teacher, data.seen, group) for group in groups]
        self._better_UN: Tensor | None = None
        self._worse_UN = torch.empty(0)

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del student
        with self.clock.phase("sampling"):
            generator, drawn = stream(self._seed, "unkd", epoch), []
            for item_UM, pairs in zip(self._ranked, self._quota, strict=True):
                length_UN = (item_UM >= 0).sum(1)[:, None].expand(-1, pairs)
                both = ordered_pairs(self._settings.tau, length_UN, generator)
                drawn.append([take(item_UM, place_UN.masked_fill(length_UN < 2, -1)) for place_UN in both])
            self._better_UN, self._worse_UN = (torch.cat(side, dim=1) for side in zip(*drawn, strict=True))

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        user_R, weight_R = self.rows(batch)
        better_RN = require_started(self._better_UN)[user_R]
        listed_RW = torch.cat([better_RN, self._worse_UN[user_R]], dim=1)
        better_score_RN, worse_score_RN = list_scores(
            student.user_factors(user_R), student.item_factors(), listed_RW
        ).chunk(2, dim=1)
        known_RN = better_RN >= 0
        loss_RN = -logsigmoid(better_score_RN - worse_score_RN).masked_fill(~known_RN, 0.0)
        return (weight_R * loss_RN.sum(1) / known_RN.sum(1).clamp(min=1)).sum()

    def _group_ranking(self, teacher: TeacherKnowledge, seen: CSR, group: Tensor) -> Tensor:
        """The teacher's order of a group's items for every user, [U, at most pool]."""
        inner_I = torch.full((teacher.n_items,), -1, dtype=torch.int32, device=group.device)
        inner_I[group] = torch.arange(group.numel(), dtype=torch.int32, device=group.device)
        inside = inner_I[seen.indices.long()]
        hidden = CSR.from_pairs(seen.rows()[inside >= 0], inside[inside >= 0], seen.n_rows).sorted_unique()
        tables, length = teacher.tables, min(self._settings.pool, group.numel())
        inner_UM, _ = topk(tables.user_UD, tables.item_ID[group].contiguous(), length, seen=hidden)
        return take(group.int().expand(inner_UM.shape[0], -1), inner_UM.long())


def popularity_groups(count_I: Tensor, groups: int) -> list[Tensor]:
    """Item ids, int64, in groups of equal total popularity, the most popular first; items never seen are in none."""
    order_I = count_I.argsort(descending=True, stable=True)
    order_I = order_I[count_I[order_I] > 0]
    total_I = count_I[order_I].cumsum(0)
    share = float(total_I[-1]) / groups if order_I.numel() else 0.0
    found: list[Tensor] = []
    begin, before = 0, 0
    while begin < order_I.numel():
        over = int(torch.searchsorted(total_I.double(), before + share, right=True))  # the first item above the share
        end = min(max(over, begin + 1), order_I.numel())
        rest = int(total_I[end - 1]) - before
        if found and end == order_I.numel() and rest <= share / 2:
            found[-1] = torch.cat([found[-1], order_I[begin:end]])
        else:
            found.append(order_I[begin:end])
        begin, before = end, int(total_I[end - 1])
    return found


def quotas(popularity_G: list[float], pairs: int, favour: float) -> list[int]:
    """Pairs per group, from the groups' mean popularity; as each is rounded, there may be more than `pairs`."""
    mirrored = [max(popularity_G) + min(popularity_G) - own for own in popularity_G]
    share = [max(round(value / sum(mirrored), 2), 0.1) ** favour for value in mirrored]
    quota = [round(value / sum(share) * pairs) for value in share]
    missing = max(pairs - sum(quota), 0)
    return [count + (place < missing) for place, count in enumerate(quota)]
