"""Gated experts of one side: E projectors from the student's width to the teacher's, and a gate that mixes them.

Expert m is W₂ relu(W₁ s + b₁) + b₂ with hidden width (d_S + d_T)/2, or d_S/2 where both widths are the same (DE,
CIKM 2020, and its public code). All experts stand in one tensor per layer. The gate reads the teacher's factors:
a = softmax(V t + c), z = softmax((log(a + 1e-10) + g) / T) with Gumbel noise g. One expert has no gate: plain FitNet.

As T falls, z becomes one-hot and most products vanish: pairs of (entity, expert) whose z is below float32's rounding of
1 are left out, and the others gathered by expert, so that a hard gate costs one expert per entity instead of E.
"""

from typing import NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import one_hot

from rcekd.methods.common.ranges import Temperature
from rcekd.models import FactorTables
from rcekd.settings import Settings
from rcekd.streams import stream

NEGLIGIBLE = 2.0**-24  # float32's rounding of 1
WORTH_GATHERING = 0.9  # share of pairs up to which rows are gathered by expert: a row costs little beside its products
# Softmax at a lower temperature is one-hot except near ties, where its gradient is of size 1/T: the limit is taken.
HARD_BELOW = 1e-4


class Annealing(Settings):
    """T falls from `start` to `end` by a constant factor an epoch, then stays."""

    start: Temperature = Field(default=1.0, description="T of the first epoch")
    end: Temperature = Field(default=1e-10, description="T after `epochs`")
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


def gumbel(seed: int, purpose: str, epoch: int, rows: int, columns: int) -> Tensor:
    """Standard Gumbel noise, float32 [rows, columns]: a function of (seed, purpose, epoch) and the place."""
    uniform = torch.rand(rows, columns, generator=stream(seed, purpose, epoch))
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
            pairs = int(taken_RE.sum())
        if pairs > WORTH_GATHERING * taken_RE.numel():
            return self._all(student_RD, choice_RE)
        return self._taken(student_RD, choice_RE, taken_RE)

    def _all(self, student_RD: Tensor, choice_RE: Tensor) -> Tensor:
        """Every expert on every row; mixing before the outer layer makes that layer one product."""
        experts, _, hidden = self.inner_EDH.shape
        rows = student_RD.shape[0]
        inner_DX = self.inner_EDH.permute(1, 0, 2).reshape(-1, experts * hidden)
        value_RX = torch.addmm(self.inner_bias_EH.reshape(-1), student_RD, inner_DX).relu()
        value_RX = (value_RX.view(rows, experts, hidden) * choice_RE[:, :, None]).view(rows, -1)
        return value_RX @ self.outer_EHT.reshape(experts * hidden, -1) + choice_RE @ self.outer_bias_ET

    def _taken(self, student_RD: Tensor, choice_RE: Tensor, taken_RE: Tensor) -> Tensor:
        """Each expert on the rows that take it, which stand together: its products have no padding."""
        expert_P, row_P = taken_RE.T.nonzero(as_tuple=True)
        input_PD = student_RD.index_select(0, row_P)
        layers = (self.inner_bias_EH, self.inner_EDH, self.outer_bias_ET, self.outer_EHT)
        output_PT = torch.cat(
            [
                torch.addmm(outer_bias_T, torch.addmm(inner_bias_H, input_LD, inner_DH).relu(), outer_HT)
                for input_LD, inner_bias_H, inner_DH, outer_bias_T, outer_HT in zip(
                    torch.split(input_PD, taken_RE.sum(0).tolist()), *(layer.unbind() for layer in layers), strict=True
                )
            ]
        )
        share_P = choice_RE.flatten().index_select(0, row_P * taken_RE.shape[1] + expert_P)
        rows = student_RD.new_zeros(student_RD.shape[0], output_PT.shape[1])
        return rows.index_add(0, row_P, output_PT * share_P[:, None])
