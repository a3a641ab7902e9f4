"""HetComp: from easy to hard along the teachers' trainings (Kang et al., WWW 2023, arXiv 2303.01130).

Each teacher x gives E rankings π of a user's unseen items, from early in its training to its end. A pointer v_xu per
teacher and user starts at the first. Every p epochs, with D the discrepancy of the student's ranking:

    the first time      D⁰_xu = D(π_x[v+1])
    later               where D⁰_xu / D(π_x[v+1]) > α · 0.995^⌊epoch/p⌋:  v_xu += 1,  D⁰_xu = D(π_x[v+1])

The target P⁻ is the top K of Σ_x e^(−rank in π_x[v_xu] / λ), P⁺ are the user's training items in the teacher's order,
and Z is Σ e^s over the unseen items outside P⁻, exactly. A user who has not come to the end of every trajectory is
taught what is interesting at all, the others the order:

    L_O = Σ_{i ∈ P⁺ ∪ P⁻} [ log(e^{s_i} + Z) − s_i ],      L_F = PL(P⁺; Z) + PL(P⁻; Z)

Read in the authors' code (SeongKu-Kang/HetComp_WWW23, hetcompsubmission): the loop, D, α, p, both losses; the
importances are loaded ready-made there, so λ = 10 is that of its D. Its condition for L_F is over all users (mean
pointers) but never updated; whether the paper's is per user could not be read, and `phase: user` is our reading. The
code trains on this loss alone; here it stands beside the base loss, as in the port of woriazzc/RCEKD. `variant: code`
is that port, the one RCE-KD is compared with: L_O counts twice, L_F takes P⁻'s first half and first tenth, averaged, a
pointer also advances when D grew, P⁺ is as long as the shortest history, D looks at K items, and all users go over to
L_F together. Neither ±40 clamp nor rounding of D is kept.
"""

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.plackett_luce import plackett_luce
from rcekd.kernels.rest_log_sum import rest_log_sum
from rcekd.kernels.topk import topk
from rcekd.methods.base import Method, Weighting, require_started
from rcekd.methods.common import trajectories
from rcekd.methods.common.item_sets import joined
from rcekd.methods.common.ranges import Temperature
from rcekd.methods.common.variants import VariantSettings
from rcekd.models import Backbone, Batch
from rcekd.teachers import Need, TeacherKnowledge

THRESHOLD_DECAY = 0.995

VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {
        "phase": "user",
        "fine": "whole",
        "coarse_factor": 1.0,
        "retreat": False,
        "observed": "teacher",
        "depth": 50,
        "weighting": "distinct",
    },
    "code": {
        "phase": "all",
        "fine": "heads",
        "coarse_factor": 2.0,
        "retreat": True,
        "observed": "first",
        "depth": None,
        "weighting": "interaction",
    },
}


class HetCompSettings(VariantSettings):
    """Settings of HetComp. A setting that is not given has the value of the chosen variant."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = VARIANTS

    name: Literal["hetcomp"] = "hetcomp"
    variant: Literal["paper", "code"] = Field(default="paper", description="the text's algorithm, or the port's")
    weight: float = Field(default=0.005, ge=0.0, alias="lambda", description="λ: weight beside the base loss")
    top_k: PositiveInt = Field(default=50, alias="K", description="K: length of P⁻, and the most that P⁺ has")
    checkpoints: int = Field(default=4, alias="E", ge=2, description="E: moments of each teacher's training")
    every: PositiveInt = Field(default=10, alias="p", description="p: epochs between two looks at the student")
    alpha: PositiveFloat = Field(default=1.05, description="α: by how much D must have fallen for the next ranking")
    decay: Temperature = Field(default=10.0, description="λ of the importance e^(−rank/λ) and of D's gains")
    depth: PositiveInt | None = Field(default=50, description="items of a ranking that D looks at; none given: K")
    phase: Literal["user", "all"] = Field(default="user", description="who goes over to L_F: each user, or all at once")
    fine: Literal["whole", "heads"] = Field(default="whole", description="P⁻ in L_F: whole, or first half and tenth")
    coarse_factor: PositiveFloat = Field(default=1.0, description="how often L_O counts")
    retreat: bool = Field(default=False, description="whether a pointer advances too when D has grown")
    observed: Literal["teacher", "first"] = Field(
        default="teacher", description="P⁺: in the teacher's order, or the first so many that every user has them"
    )
    weighting: Weighting = Field(default="distinct", description="how often a user counts: see MethodSettings")

    def needs(self) -> frozenset[Need]:
        return frozenset({"factors", "trajectory"})

    def list_lengths(self) -> dict[str, int]:
        return {"K": self.top_k, "depth": self.depth or 0}


class HetComp(Method):
    """Targets that move from easy to hard with the student, for one teacher or an ensemble."""

    name: ClassVar[str] = "hetcomp"
    citation: ClassVar[str] = "Kang et al., Distillation from Heterogeneous Models, WWW 2023, arXiv 2303.01130"
    cost: ClassVar[str] = "B·I·D a step, larger by its mathematics (Z is a sum over all items); X·E top-K scans once"
    use: ClassVar[str] = "several teachers of different kinds, or one that is hard to follow from the start"

    def __init__(self, settings: HetCompSettings, teacher: TeacherKnowledge, data: Interactions, seed: int) -> None:
        del seed  # nothing is drawn
        super().__init__(settings.weighting, data)
        settings.check_catalogue(data)
        self._settings = settings
        self._knowledge = teacher
        self._data = data
        lengths = [min(settings.checkpoints, len(member.trajectory)) for member in teacher.members]
        self._last_X1 = torch.tensor(lengths, device=data.device)[:, None] - 1
        pointer_XU = torch.zeros(len(lengths), data.n_users, dtype=torch.int16)
        self.trained.register_buffer("pointer_XU", pointer_XU)
        self.trained.register_buffer("before_XU", torch.zeros(pointer_XU.shape))
        self.trained.register_buffer("compared", torch.zeros((), dtype=torch.bool))
        self._heads: list[Tensor] = []
        self._plus_UK: Tensor
        self._minus_UK: Tensor
        self._left_out: CSR
        self._fine_U: Tensor

    def start_epoch(self, student: Backbone, epoch: int) -> None:
        settings = self._settings
        first = not self._heads
        if first:
            with self.clock.phase("teacher scores"):
                self._heads = self._read_heads()
                self._plus_UK = self._observed()
        with self.clock.phase("sampling"):
            moved = epoch >= settings.every and epoch % settings.every == 0 and self._look(student, epoch)
            if first or moved:
                self._set_targets()

    def loss(self, student: Backbone, batch: Batch) -> Tensor:
        require_started(self._heads or None)
        user_R, weight_R = self.rows(batch)
        plus_RK, minus_RK = self._plus_UK[user_R], self._minus_UK[user_R]
        user_RD, item_ID = student.user_factors(user_R), student.item_factors()
        score_RW = list_scores(user_RD, item_ID, torch.cat([plus_RK, minus_RK], dim=1))
        rest_R1 = rest_log_sum(user_RD, item_ID, user_R, self._left_out)[:, None]
        real_RW = torch.cat([plus_RK, minus_RK], dim=1) >= 0
        fine_R = self._fine_U[user_R]
        n_plus = plus_RK.shape[1]
        coarse = self._coarse(*(t[~fine_R] for t in (score_RW, real_RW, rest_R1)))
        fine = self._fine(*(t[fine_R] for t in (score_RW, real_RW, rest_R1)), n_plus=n_plus)
        return (weight_R[~fine_R] * coarse).sum() + (weight_R[fine_R] * fine).sum()

    def report(self) -> dict[str, float]:
        pointer_XU = self._buffer("pointer_XU")
        return {"pointer": float(pointer_XU.double().mean()), "fine": float(self._fine_U.double().mean())}

    def _buffer(self, name: str) -> Tensor:
        return self.trained.get_buffer(name)

    def _read_heads(self) -> list[Tensor]:
        settings, members = self._settings, self._knowledge.members
        length = trajectories.head_length(settings.top_k, len(members), settings.decay, self._data.n_items)
        length = max(length, settings.depth or settings.top_k)
        return [trajectories.heads(m.trajectory, settings.checkpoints, length, self._data.seen) for m in members]

    def _observed(self) -> Tensor:
        """P⁺ of every user, int32 [U, ≤ K], −1 padded."""
        seen = self._data.seen
        score = self._knowledge.scores(
            torch.arange(seen.n_rows, dtype=torch.int32, device=seen.indptr.device), seen.indptr, seen.indices
        )
        user = seen.rows().long()
        length, most = seen.lengths(), self._settings.top_k
        if self._settings.observed == "first":
            most = min(most, int(length[length > 0].min()))
        else:
            order = score.argsort(descending=True, stable=True)
            order = order[user[order].argsort(stable=True)]
            seen = CSR(seen.indptr, seen.indices[order])
        place = torch.arange(user.numel(), device=user.device) - seen.indptr[user]
        kept = place < most
        found = seen.indices.new_full((seen.n_rows, min(most, int(length.max()))), -1)
        found[user[kept], place[kept]] = seen.indices[kept]
        return found

    def _distances(self, student: Backbone) -> tuple[Tensor, Tensor]:
        """D of the ranking after the pointer's, and of the one after that, [X, U] each."""
        depth, tables = self._settings.depth or self._settings.top_k, student.tables()
        student_UK, _ = topk(tables.user_UD, tables.item_ID, depth, seen=self._data.seen)
        found = []
        for step in (1, 2):
            moment_XU = torch.minimum(self._buffer("pointer_XU") + step, self._last_X1)
            rankings = [
                trajectories.at(h, moment_U)[:, :depth] for h, moment_U in zip(self._heads, moment_XU, strict=True)
            ]
            found.append(torch.stack([trajectories.discrepancy(student_UK, r, self._settings.decay) for r in rankings]))
        return found[0], found[1]

    def _look(self, student: Backbone, epoch: int) -> bool:
        """Compare the student with what comes next, and advance pointers; whether any has moved."""
        settings = self._settings
        pointer_XU, before_XU, compared = map(self._buffer, ("pointer_XU", "before_XU", "compared"))
        if bool((pointer_XU >= self._last_X1).all()):
            return False
        next_XU, after_XU = self._distances(student)
        if not bool(compared):
            before_XU.copy_(next_XU)
            compared.fill_(value=True)
            return False
        threshold = settings.alpha * THRESHOLD_DECAY ** (epoch // settings.every)
        # Written as products, as D may be 0, where there is nothing left to wait for.
        moves_XU = (before_XU > threshold * next_XU) | (next_XU <= 0)
        moves_XU |= (before_XU < next_XU) if settings.retreat else False
        moves_XU &= pointer_XU < self._last_X1
        pointer_XU += moves_XU
        before_XU.copy_(torch.where(moves_XU, after_XU, before_XU))
        return bool(moves_XU.any())

    def _set_targets(self) -> None:
        settings, pointer_XU = self._settings, self._buffer("pointer_XU")
        current = [trajectories.at(h, pointer_U) for h, pointer_U in zip(self._heads, pointer_XU, strict=True)]
        self._minus_UK = trajectories.target(current, settings.top_k, settings.decay)
        self._left_out = joined(self._data.seen, self._minus_UK)
        if settings.phase == "user":
            self._fine_U = (pointer_XU >= self._last_X1).all(0)
        else:
            mean_X = pointer_XU.double().mean(1)
            arrived = bool((mean_X >= self._last_X1[:, 0] - 0.005).all())  # the port rounds the mean to two decimals
            self._fine_U = torch.full((pointer_XU.shape[1],), arrived, device=pointer_XU.device)

    def _coarse(self, score_RW: Tensor, real_RW: Tensor, rest_R1: Tensor) -> Tensor:
        """L_O of every row."""
        loss_RW = (torch.logaddexp(score_RW, rest_R1) - score_RW).masked_fill(~real_RW, 0.0)
        return self._settings.coarse_factor * loss_RW.sum(1)

    def _fine(self, score_RW: Tensor, real_RW: Tensor, rest_R1: Tensor, *, n_plus: int) -> Tensor:
        """L_F of every row."""
        lengths = [score_RW.shape[1] - n_plus]
        if self._settings.fine == "heads":
            lengths = [max(1, lengths[0] // 2), max(1, lengths[0] // 10)]
        score_RW = torch.cat([score_RW, rest_R1], dim=1)
        real_RW = torch.cat([real_RW, rest_R1 > -torch.inf], dim=1)
        loss_R = score_RW.new_zeros(score_RW.shape[0])
        for length in lengths:
            minus_R = plackett_luce(score_RW[:, n_plus:], real_RW[:, n_plus:], positives=length)
            loss_R = loss_R + minus_R / len(lengths)
        # Z belongs to the items outside the part of P⁻ that is ranked; for P⁺ that part is the longest one.
        beside_RW, beside_real_RW = (
            torch.cat([t[:, :n_plus], t[:, n_plus + lengths[0] :]], dim=1) for t in (score_RW, real_RW)
        )
        return loss_R + plackett_luce(beside_RW, beside_real_RW, positives=n_plus)
