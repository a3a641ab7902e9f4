"""RRD, Relaxed Ranking Distillation (Kang et al., CIKM 2020), and its item side IR-RRD (Inf. Sci. 2021).

    P_u = K items of the teacher's top M by p(k) ∝ e^(−k / T) without replacement, in the teacher's order
    N_u = L items drawn uniformly outside the user's training items and that top M
    L_RRD = Σ_u PL(P_u; N_u)

with PL of kernels/plackett_luce.py; both draws are made anew each epoch, training items stand in neither. IR-RRD
adds ρ Σ_i PL over *users*: the same two draws per item, for every item drawn for the batch's users.

Sources: the authors' papers as later codes of theirs repeat them (SeongKu-Kang's IR-RRD run file and the continual
learning code built on it were read; the code of DE-RRD itself is stored in part). Their code counts a user once per
batch (`weighting: distinct`) and adds bare sums, clips scores before exp and, on the item side, takes the items drawn
for the users of the batch (`items_of: drawn`); K = L = 40, M = 500, T = 10, λ = 10⁻³, ρ = ½ with 20 + 20 users. Here
every weight of a batch carries the factor (interactions / distinct users), as all methods' do. Later work of theirs
takes the top K itself: a small T. chengang95/UnKD's RRD applies a sigmoid before PL and draws once; that is not
offered."""

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.nn.functional import embedding

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.kernels.unseen_draws import unseen_draws
from rcekd.methods.base import Method, MethodSettings, Weighting, require_started
from rcekd.methods.common.item_sets import joined
from rcekd.methods.common.ranges import Temperature
from rcekd.methods.common.sampling import ranked_draws
from rcekd.methods.common.sides import RankedLists, best_users, ranking_loss, transposed
from rcekd.models import Backbone, Batch
from rcekd.streams import stream_seed
from rcekd.teachers import Need, TeacherKnowledge


class RRDSettings(MethodSettings):
    """Settings of RRD; `item_weight` above 0 makes it IR-RRD."""

    name: Literal["rrd"] = "rrd"
    weight: float = Field(default=0.01, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    weighting: Weighting = Field(default="distinct", description="how often a user counts: see MethodSettings")
    top_k: PositiveInt = Field(default=40, alias="K", description="K: interesting items drawn per user and epoch")
    draws: PositiveInt = Field(default=40, alias="L", description="L: uninteresting items drawn per user and epoch")
    tau: Temperature = Field(default=10.0, alias="T", description="T: ranks over which the chance to be drawn decays")
    pool: PositiveInt = Field(default=500, alias="M", description="M: the teacher's top so many are drawn from")
    item_weight: float = Field(default=0.0, ge=0.0, alias="rho", description="ρ: weight of the item side (IR-RRD)")
    items_of: Literal["drawn", "batch"] = Field(
        default="drawn", description="items of the item side: those drawn for the batch's users, or the batch's own"
    )
    item_top_k: PositiveInt = Field(default=20, description="K of the item side, in users")
    item_draws: PositiveInt = Field(default=20, description="L of the item side, in users")
    item_tau: Temperature = Field(default=10.0, description="T of the item side")
    item_pool: PositiveInt = Field(default=500, description="M of the item side, in users")

    @model_validator(mode="after")
    def _check_pools(self) -> "RRDSettings":
        for key, k, pool in (("M", self.top_k, self.pool), ("item_pool", self.item_top_k, self.item_pool)):
            if pool < k:
                raise ValueError(f"{key} {pool} is shorter than the {k} drawn from it; give at least {k}")
        return self

    def needs(self) -> frozenset[Need]:
        return frozenset({"lists", "factors"} if self.item_weight else {"lists"})

    def list_lengths(self) -> dict[str, int]:
        return {"K": self.top_k, "L": self.draws, "M": self.pool}

    def check_catalogue(self, data: Interactions, prefix: str = "method") -> None:
        super().check_catalogue(data, prefix)
        if self.item_weight and self.item_pool > data.n_users:
            raise InputError(
                f"{prefix}.item_pool={self.item_pool} is more than the {data.n_users} users of {data.name}; "
                f"give at most {data.n_users}"
            )


class RelaxedSide:
    """The draws of one side: rows are users over items, or items over users."""

    def __init__(self, pool_NM: Tensor, seen: CSR, candidates: int, purpose: str) -> None:
        self._pool_NM, self._candidates, self._purpose = pool_NM, candidates, purpose
        self._closed = joined(seen, pool_NM)

    def draw(self, top_k: int, draws: int, tau: float, seed: int, epoch: int) -> RankedLists:
        positive_NK = ranked_draws(self._pool_NM, top_k, tau, seed=seed, purpose=self._purpose, epoch=epoch)
        key = stream_seed(seed, f"{self._purpose}/others", epoch)
        other_NL = unseen_draws(self._closed, self._candidates, draws, seed=key, epoch=epoch)
        return RankedLists(positive_NK, other_NL)


class RRD(Method):
    """Plackett–Luce likelihood of interesting items in order, above uninteresting ones."""

    name: ClassVar[str] = "rrd"
    citation: ClassVar[str] = "Kang et al., DE-RRD, CIKM 2020, arXiv 2012.04357; item side: IR-RRD, Inf. Sci. 2021"
    cost: ClassVar[str] = "B·(K + L)·D a step, item side as much per item; U·(K + L) draws an epoch"
    use: ClassVar[str] = "the strong list-wise baseline; item side (rho > 0) where users have few interactions"

    def __init__(self, settings: RRDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings, self._seed = settings, seed
        self._users = RelaxedSide(teacher.top_items(settings.pool, data.seen), data.seen, data.n_items, "rrd/users")
        self._items: RelaxedSide | None = None
        if settings.item_weight:
            seen_by_item = transposed(data.seen, data.n_items)
            pool_IM = best_users(teacher.tables, settings.item_pool, seen_by_item)
            self._items = RelaxedSide(pool_IM, seen_by_item, data.n_users, "rrd/items")
        self._user_lists: RankedLists | None = None
        self._item_lists: RankedLists | None = None

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        del student
        s = self._settings
        with self.clock.phase("sampling"):
            self._user_lists = self._users.draw(s.top_k, s.draws, s.tau, self._seed, epoch)
            if self._items is not None:
                self._item_lists = self._items.draw(s.item_top_k, s.item_draws, s.item_tau, self._seed, epoch)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        user_R, weight_R = self.rows(batch)
        item_ID, user_lists = student.item_factors(), require_started(self._user_lists)
        loss: Tensor = (weight_R * ranking_loss(student.user_factors(user_R), item_ID, user_lists, user_R)).sum()
        if self._item_lists is None:
            return loss
        item_R = self._chosen_items(batch, user_R, user_lists)
        item_loss_R: Tensor = ranking_loss(embedding(item_R, item_ID), student.user_factors(), self._item_lists, item_R)
        share: float = self._settings.item_weight * batch.user_B.numel() / user_R.numel()
        return loss + share * item_loss_R.sum()

    def _chosen_items(self, batch: Batch, user_R: Tensor, lists: RankedLists) -> Tensor:
        """The distinct items whose users are ranked, int64."""
        if self._settings.items_of == "batch":
            own: Tensor = torch.unique(batch.positive_B.long())
            return own
        item: Tensor = torch.unique(torch.cat([lists.positive_NK[user_R], lists.other_NL[user_R]], dim=1)).long()
        return item[item >= 0]
