"""Sums over all pairs of cosines (FTD): an n × n matrix in torch against Gram matrices, forward and backward."""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import STUDENT_DIM, TEACHER_DIM
from rcekd.methods.common.topology import full_gap, grouped_gap, unit_rows

GROUPS = 60


def plain_gap(student_RD: Tensor, teacher_RT: Tensor) -> Tensor:
    return (student_RD @ student_RD.T - teacher_RT @ teacher_RT.T).square().sum()


def plain_grouped_gap(student_RD: Tensor, teacher_RT: Tensor, group_R: Tensor) -> Tensor:
    cosine_RR = teacher_RT @ teacher_RT.T
    kept_RR = (group_R[:, None] == group_R[None]) & (cosine_RR > 0)
    return ((student_RD @ student_RD.T - cosine_RR) * kept_RR).square().sum()


def bench(rows: int) -> str:
    generator = torch.Generator().manual_seed(0)
    teacher = unit_rows(torch.randn(rows, TEACHER_DIM, generator=generator))
    leaf = torch.randn(rows, STUDENT_DIM, generator=generator).requires_grad_()
    group = torch.randint(GROUPS, (rows,), generator=generator)
    full = interleaved(
        {
            "n × n in torch": lambda: plain_gap(unit_rows(leaf), teacher).backward(),
            "Gram matrices": lambda: full_gap(unit_rows(leaf), teacher).backward(),
        }
    )
    grouped = interleaved(
        {
            "n × n in torch": lambda: plain_grouped_gap(unit_rows(leaf), teacher, group).backward(),
            "by sorted blocks": lambda: grouped_gap(unit_rows(leaf), teacher, group, positive=True).backward(),
        }
    )
    shape = f"n = {rows}, widths {STUDENT_DIM} and {TEACHER_DIM}"
    return table(f"All pairs (FTD), {shape}", full) + table(f"Pairs within {GROUPS} groups (HTD), {shape}", grouped)


if __name__ == "__main__":
    print(bench(2000) + bench(5000) + stamp())
