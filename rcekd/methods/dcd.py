"""DCD, Dual Correction for Distillation (Lee & Kim, CIKM 2021): the student is corrected where its ranks are wrong.

    under-rated: K items by weight tanh(max(ε (Rˢ − Rᵀ), 0)), in the teacher's order
    over-rated:  L items by weight tanh(max(ε (Rᵀ − Rˢ), 0))
    L_UCD = PL(under; over) per user;  L_ICD = the same per item over users;  loss = L_UCD + ρ L_ICD

PL is that of rcekd.kernels.plackett_luce; draws are without replacement, training pairs take no part.

Sources: the abstract, and the authors' loop dudwns511/DCD_CIKM21, run_dcd.py (read; its options' values are not
stored). It takes both ranks inside the teacher's top 500 (`pool`), counts each user and each positive item of a batch
once, and adds base + λ_U L_UCD + λ_I L_ICD. Summaries of the paper name RRD's loss as a third term: `--method
rrd+dcd`. It redraws for every batch and ranks every third epoch; here both happen once an epoch, so that an epoch is
a function of its seed. Draws inside the pool are rcekd.kernels.pool_gap_draws; `pool: null` ranks and draws over
the whole catalogue instead (rcekd.kernels.rank_gap_draws).

`variant: code` is the version of woriazzc/KDs, the one in the RCE-KD paper's tables: users only (ρ = 0), under-rated
items in the order of their draw, the student's rank taken in the whole catalogue with training items in it, and every
weight at least 10⁻⁵, so that an item can stand on both sides.
"""

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor
from torch.nn.functional import embedding

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.pool_gap_draws import pool_gap_lists
from rcekd.kernels.rank_gap_draws import GapDraws, rank_gap_lists
from rcekd.methods.base import Method, Weighting, require_started
from rcekd.methods.common.ordering import descending
from rcekd.methods.common.ranges import Steepness
from rcekd.methods.common.sampling import blocks, in_order, take, weighted_places
from rcekd.methods.common.sides import RankedLists, best_users, ranking_loss, swapped, transposed
from rcekd.methods.common.variants import VariantSettings
from rcekd.models import Backbone, Batch, FactorTables
from rcekd.streams import stream, stream_seed
from rcekd.teachers import Need, TeacherKnowledge


class DCDSettings(VariantSettings):
    """Settings of DCD."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"item_weight": 1.0, "ranks": "pool", "teacher_order": True, "floor": 0.0},
        "code": {"item_weight": 0.0, "ranks": "catalogue", "teacher_order": False, "floor": 1e-5},
    }

    name: Literal["dcd"] = "dcd"
    weight: float = Field(default=0.01, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    weighting: Weighting = Field(default="distinct", description="how often a user counts: see MethodSettings")
    under: PositiveInt = Field(default=40, alias="K", description="K: under-rated items drawn per user and epoch")
    over: PositiveInt = Field(default=40, alias="L", description="L: over-rated items drawn per user and epoch")
    eps: Steepness = Field(default=0.1, description="ε: sharpness of the weight of a rank gap")
    pool: PositiveInt | None = Field(
        default=500, description="gaps are taken among the teacher's top so many; null: among all that is unseen"
    )
    item_weight: float = Field(default=1.0, ge=0.0, alias="rho", description="ρ: weight of the item side")
    ranks: Literal["pool", "catalogue"] = Field(
        default="pool", description="where the student's rank of a pool's item is taken: in the pool or in everything"
    )
    teacher_order: bool = Field(default=True, description="under-rated items in the teacher's order, or as drawn")
    floor: float = Field(default=0.0, ge=0.0, le=1.0, description="least weight of an item of the pool")

    @model_validator(mode="after")
    def _check_pool(self) -> "DCDSettings":
        if self.pool is not None and self.pool < max(self.under, self.over):
            raise ValueError(
                f"pool {self.pool} is shorter than K = {self.under} or L = {self.over}; give at least the larger"
            )
        if self.pool is None and (self.ranks != "pool" or self.floor):
            raise ValueError("ranks=catalogue and floor need a pool, e.g. pool=500")
        return self

    def needs(self) -> frozenset[Need]:
        return frozenset({"lists"} if self.pool is not None and not self.item_weight else {"lists", "factors"})

    def list_lengths(self) -> dict[str, int]:
        return {"K": self.under, "L": self.over, "pool": self.pool or 0}

    def check_catalogue(self, data: Interactions, prefix: str = "method") -> None:
        super().check_catalogue(data, prefix)
        longest = max(self.pool or 0, self.under, self.over)
        if self.item_weight and longest > data.n_users:
            raise InputError(
                f"{prefix}.pool={longest} is more than the {data.n_users} users that the item side of {data.name} "
                f"ranks; give at most {data.n_users}, or {prefix}.rho=0"
            )


class Side:
    """One side's corrections: rows are users over items, or items over users.

    teacher: the teacher's tables in the same roles, where there are any; pool_NM: its top M of every row, or None.
    """

    def __init__(
        self, settings: DCDSettings, seen: CSR, purpose: str, pool_NM: Tensor | None, teacher: FactorTables | None
    ) -> None:
        self._settings, self._seen, self._purpose = settings, seen, purpose
        self._pool_NM, self._teacher = pool_NM, teacher

    def draw(self, student: FactorTables, seed: int, epoch: int) -> RankedLists:
        """The epoch's under- and over-rated candidates of every row."""
        key = stream_seed(seed, self._purpose, epoch)
        if self._pool_NM is None:
            return self._from_catalogue(student, key, epoch)
        if self._settings.ranks == "pool" and not self._settings.floor:
            return self._from_pool(student, self._pool_NM, key, epoch)
        generator = stream(seed, self._purpose, epoch)
        parts = [
            self._floored(FactorTables(student.user_UD[rows], student.item_ID), self._pool_NM[rows], generator)
            for rows in blocks(*self._pool_NM.shape)
        ]
        return RankedLists(*(torch.cat(side) for side in zip(*parts, strict=True)))

    def _requests(self) -> list[GapDraws]:
        """Nothing can be drawn for both, so that they are independent by one stream or two."""
        settings = self._settings
        return [
            GapDraws(settings.under, "tanh", settings.eps, "under", stream=0),
            GapDraws(settings.over, "tanh", settings.eps, "over", stream=1),
        ]

    def _from_pool(self, student: FactorTables, pool_NM: Tensor, key: int, epoch: int) -> RankedLists:
        ordered = self._settings.teacher_order  # of the over-rated no one asks the order
        drawn = pool_gap_lists(*student, pool_NM, self._requests(), seed=key, epoch=epoch, in_order=ordered)
        return RankedLists(*drawn)

    def _floored(self, student: FactorTables, pool_BM: Tensor, generator: torch.Generator) -> RankedLists:
        """With ranks taken elsewhere, or weights above 0 for all, so that an item can be drawn for both."""
        settings = self._settings
        rank_of = rank_in_pool if settings.ranks == "pool" else rank_in_catalogue
        gap_BM = rank_of(student, pool_BM) - torch.arange(pool_BM.shape[1], device=pool_BM.device)
        places = []
        for sign, draws in ((1.0, settings.under), (-1.0, settings.over)):
            weight_BM = (sign * settings.eps * gap_BM).clamp(min=0.0).tanh().clamp(min=settings.floor)
            places.append(weighted_places(weight_BM.masked_fill(pool_BM < 0, 0.0), draws, generator))
        under_BK = in_order(places[0]) if settings.teacher_order else places[0]
        return RankedLists(take(pool_BM, under_BK), take(pool_BM, places[1]))

    def _from_catalogue(self, student: FactorTables, key: int, epoch: int) -> RankedLists:
        if self._teacher is None:
            raise RuntimeError("draws over the whole catalogue need the teacher's factors")
        tables = *student, *self._teacher
        under_NK, over_NL = rank_gap_lists(*tables, self._requests(), seed=key, epoch=epoch, seen=self._seen)
        if self._settings.teacher_order:
            score_NK = list_scores(*self._teacher, under_NK).masked_fill(under_NK < 0, -torch.inf)
            under_NK = under_NK.gather(1, descending(score_NK))
        return RankedLists(under_NK, over_NL)


def rank_in_pool(student: FactorTables, pool_BM: Tensor) -> Tensor:
    """The student's rank of every candidate within its row, from 0; equal scores in the pool's order: [B, M]."""
    score_BM = list_scores(student.user_UD, student.item_ID, pool_BM).masked_fill(pool_BM < 0, -torch.inf)
    order_BM = descending(score_BM)
    place_M = torch.arange(pool_BM.shape[1], device=pool_BM.device)
    return torch.empty_like(order_BM).scatter_(1, order_BM, place_M.expand_as(order_BM))


def rank_in_catalogue(student: FactorTables, pool_BM: Tensor) -> Tensor:
    """How many candidates of all the student scores higher, [B, M].

    A pool's scores are taken from the product that ranks all: another order of sums could set an item above itself.
    """
    parts = []
    for rows in blocks(pool_BM.shape[0], student.n_items):
        score_BI = student.user_UD[rows] @ student.item_ID.T
        score_BM = score_BI.gather(1, pool_BM[rows].clamp(min=0).long())
        parts.append(student.n_items - torch.searchsorted(score_BI.sort(dim=1).values, score_BM, right=True))
    return torch.cat(parts)


class DCD(Method):
    """Plackett–Luce correction of what the student ranks too low over what it ranks too high, on both sides."""

    name: ClassVar[str] = "dcd"
    citation: ClassVar[str] = "Lee & Kim, Dual Correction Strategy for Ranking Distillation, CIKM 2021, 2109.03459"
    cost: ClassVar[str] = "B·(K + L)·D a step on each side; U·M·(D + log M) an epoch, with the item side I·M as well"
    use: ClassVar[str] = "with rrd (rrd+dcd), to spend the lists on what the student still gets wrong"

    def __init__(self, settings: DCDSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings, self._seed, pool = settings, seed, settings.pool
        tables = teacher.tables if "factors" in settings.needs() else None
        pool_UM = None if pool is None else teacher.top_items(pool, data.seen)
        self._users, self._items = Side(settings, data.seen, "dcd/users", pool_UM, tables), None
        if settings.item_weight and tables is not None:
            seen_by_item = transposed(data.seen, data.n_items)
            pool_IM = None if pool is None else best_users(tables, pool, seen_by_item)
            self._items = Side(settings, seen_by_item, "dcd/items", pool_IM, swapped(tables))
        self._user_lists: RankedLists | None = None
        self._item_lists: RankedLists | None = None

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        with self.clock.phase("sampling"):
            tables = student.tables()
            self._user_lists = self._users.draw(tables, self._seed, epoch)
            if self._items is not None:
                self._item_lists = self._items.draw(swapped(tables), self._seed, epoch)

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        user_R, weight_R = self.rows(batch)
        item_ID, user_lists = student.item_factors(), require_started(self._user_lists)
        loss: Tensor = (weight_R * ranking_loss(student.user_factors(user_R), item_ID, user_lists, user_R)).sum()
        if self._item_lists is None:
            return loss
        item_R = torch.unique(batch.positive_B.long())
        item_loss_R = ranking_loss(embedding(item_R, item_ID), student.user_factors(), self._item_lists, item_R)
        share: float = self._settings.item_weight * batch.user_B.numel() / user_R.numel()
        return loss + share * item_loss_R.sum()

    def report(self) -> dict[str, float]:
        if self._user_lists is None:
            return {}
        return {"under": float((self._user_lists.positive_NK >= 0).float().mean())}
