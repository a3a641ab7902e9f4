"""Gated experts of one side: E projectors from the student's width to the teacher's, and a gate that mixes them.

Expert m is W₂ relu(W₁ s + b₁) + b₂ with hidden width (d_S + d_T)/2, or d_S/2 where both widths are the same (DE,
CIKM 2020, and its public code). All experts stand in one tensor per layer. The gate reads the teacher's factors:
a = softmax(V t + c), z = softmax((log(a + 1e-10) + g) / T) with Gumbel noise g. One expert has no gate: plain FitNet.

As T falls, z becomes one-hot and most products vanish: pairs of (entity, expert) whose z is below float32's rounding of
1 are left out, and the others gathered by expert, so that a hard gate costs one expert per entity instead of E.
"""

from typing import NamedTuple

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import one_hot

from rcekd.models import FactorTables
from rcekd.settings import Settings
from rcekd.streams import stream

NEGLIGIBLE = 2.0**-24  # float32's rounding of 1
# Softmax at a lower temperature is one-hot except near ties, where its gradient is of size 1/T: the limit is taken.
HARD_BELOW = 1e-4


class Annealing(Settings):
    """T falls from `start` to `end` by a constant factor an epoch, then stays."""

    start: PositiveFloat = Field(default=1.0, description="T of the first epoch")
    end: PositiveFloat = Field(default=1e-10, description="T after `epochs`")
    epochs: PositiveInt = Field(
        default=100,
        description="epochs the fall takes; no function of train.epochs, or early stopping would never see hard gates",
    )

    def at(self, epoch: int) -> float:
        """T of an epoch, counted from 0."""
        return float(self.start * (self.end / self.start) ** min(1.0, epoch / self.epochs))


class Noise(NamedTuple):
    """Gumbel noise of every user and item for one epoch, [U, E] and [I, E]."""

    user_UE: Tensor
    item_IE: Tensor


def gumbel(seed: int, purpose: str, epoch: int, entities: int, experts: int) -> Tensor:
    """Standard Gumbel noise, float32 [entities, E]: a function of (seed, purpose, epoch, entity) and nothing else."""
    uniform = torch.rand(entities, experts, generator=stream(seed, purpose, epoch))
    return uniform.clamp_(min=torch.finfo(torch.float32).tiny).log_().neg_().log_().neg_()


def draw_noise(seed: int, purpose: str, epoch: int, teacher: FactorTables, experts: int) -> Noise:
    """Noise of both sides, drawn once per entity and epoch; none where there is nothing to choose."""
    device = teacher.user_UD.device
    if experts == 1:
        return Noise(*(torch.zeros(rows, 1, device=device) for rows in (teacher.n_users, teacher.n_items)))
    return Noise(
        gumbel(seed, f"{purpose}.users", epoch, teacher.n_users, experts).to(device),
        gumbel(seed, f"{purpose}.items", epoch, teacher.n_items, experts).to(device),
    )


def linear_init(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    """Uniform within ±1/√fan_in, as torch's linear layers start."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))


class GatedExperts(nn.Module):
    """E experts and their gate, for users or for items."""

    def __init__(self, experts: int, student_dim: int, teacher_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        widths = (student_dim, teacher_dim)
        hidden = max(1, (student_dim if student_dim == teacher_dim else sum(widths)) // 2)
        self.inner_EDH = linear_init((experts, student_dim, hidden), student_dim, generator)
        self.inner_bias_EH = linear_init((experts, hidden), student_dim, generator)
        self.outer_EHT = linear_init((experts, hidden, teacher_dim), hidden, generator)
        self.outer_bias_ET = linear_init((experts, teacher_dim), hidden, generator)
        self.gate_TE = linear_init((teacher_dim, experts), teacher_dim, generator) if experts > 1 else None
        self.gate_bias_E = linear_init((experts,), teacher_dim, generator) if experts > 1 else None

    def log_gate(self, teacher_RT: Tensor) -> Tensor:
        """log(a + 1e-10), [R, E]."""
        if self.gate_TE is None or self.gate_bias_E is None:
            return teacher_RT.new_zeros(teacher_RT.shape[0], 1)
        return (torch.softmax(teacher_RT @ self.gate_TE + self.gate_bias_E, dim=1) + 1e-10).log()

    def choose(self, teacher_RT: Tensor, noise_RE: Tensor, temperature: float) -> Tensor:
        """z, [R, E]: rows add up to 1."""
        logit_RE = self.log_gate(teacher_RT) + noise_RE
        if temperature < HARD_BELOW:
            return one_hot(logit_RE.argmax(dim=1), logit_RE.shape[1]).to(logit_RE.dtype)
        return torch.softmax(logit_RE / temperature, dim=1)

    @torch.no_grad()
    def assign(self, teacher_RT: Tensor) -> Tensor:
        """The likeliest expert of each row, without noise: int64 [R]."""
        return self.log_gate(teacher_RT).argmax(dim=1)

    def forward(self, student_RD: Tensor, choice_RE: Tensor) -> Tensor:
        """Σ_m z_m · expert_m(s), [R, d_T]."""
        with torch.no_grad():
            taken_RE = choice_RE > NEGLIGIBLE
            count_E = taken_RE.sum(0)
            longest = int(count_E.max()) if taken_RE.numel() else 0
        if 2 * longest > taken_RE.shape[0]:
            return self._all(student_RD, choice_RE)
        return self._taken(student_RD, choice_RE, taken_RE, count_E, longest)

    def _all(self, student_RD: Tensor, choice_RE: Tensor) -> Tensor:
        """Every expert on every row; mixing before the outer layer makes that layer one product."""
        experts, _, hidden = self.inner_EDH.shape
        rows = student_RD.shape[0]
        inner_DX = self.inner_EDH.permute(1, 0, 2).reshape(-1, experts * hidden)
        value_RX = torch.addmm(self.inner_bias_EH.reshape(-1), student_RD, inner_DX).relu()
        value_RX = (value_RX.view(rows, experts, hidden) * choice_RE[:, :, None]).view(rows, -1)
        return value_RX @ self.outer_EHT.reshape(experts * hidden, -1) + choice_RE @ self.outer_bias_ET

    def _taken(self, student_RD: Tensor, choice_RE: Tensor, taken_RE: Tensor, count_E: Tensor, longest: int) -> Tensor:
        """Each expert on the rows that take it, padded to the longest such list: [E, longest]."""
        expert_P, row_P = taken_RE.T.nonzero(as_tuple=True)
        begin_E = count_E.cumsum(0) - count_E
        slot_P = expert_P * longest + torch.arange(expert_P.numel(), device=row_P.device) - begin_E[expert_P]
        experts, width = self.inner_EDH.shape[:2]
        input_SD = student_RD.new_zeros(experts * longest, width)
        input_SD = input_SD.index_copy(0, slot_P, student_RD.index_select(0, row_P))
        value_ELH = torch.baddbmm(self.inner_bias_EH[:, None], input_SD.view(experts, longest, width), self.inner_EDH)
        output_ELT = torch.baddbmm(self.outer_bias_ET[:, None], value_ELH.relu(), self.outer_EHT)
        share_P = choice_RE.flatten().index_select(0, row_P * experts + expert_P)
        output_PT = output_ELT.flatten(0, 1).index_select(0, slot_P) * share_P[:, None]
        rows = student_RD.new_zeros(student_RD.shape[0], output_PT.shape[1])
        return rows.index_add(0, row_P, output_PT)
