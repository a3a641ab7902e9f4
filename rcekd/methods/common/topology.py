"""Sums of squared gaps between the cosines of two spaces over pairs of rows, without an n × n matrix.

With rows of length 1, Σ_ij (t_i·t_j − s_i·s_j)² = ‖TᵀT‖² + ‖SᵀS‖² − 2 ‖TᵀS‖² (Frobenius norms): three Gram matrices
as large as the widths, O(n (d_T² + d_T d_S + d_S²)) in place of O(n² (d_T + d_S)). The value is a difference of large
sums, so the squares are summed in float64; the gradient, 4 S(SᵀS) − 4 T(TᵀS), has no such trouble.
"""

from typing import Any

import torch
from torch import Tensor

from rcekd.kernels.once import differentiable_once

BLOCK_ROWS = 256
GRAM_COLUMNS = 80


def unit_rows(value_RD: Tensor) -> Tensor:
    """Rows at length 1. A zero row stays zero and has no gradient: its cosine with anything is 0."""
    square_R1 = value_RD.square().sum(1, keepdim=True)
    nonzero_R1 = square_R1 > 0
    scale_R1 = square_R1.where(nonzero_R1, torch.ones_like(square_R1)).rsqrt()
    return value_RD * scale_R1 * nonzero_R1


def full_gap(student_RD: Tensor, teacher_RT: Tensor) -> Tensor:
    """Σ over all ordered pairs of rows, of unit rows [R, d_S] and [R, d_T]; no gradient to the teacher."""
    rows, narrow = student_RD.shape
    wide = teacher_RT.shape[1]
    if rows * (narrow + wide) < narrow * (narrow + wide) + wide * wide:
        group_R = torch.zeros(rows, dtype=torch.int64, device=student_RD.device)
        return grouped_gap(student_RD, teacher_RT, group_R, positive=False)
    return _gram_gap(student_RD, teacher_RT.detach())


def _gram_gap(student_RD: Tensor, teacher_RT: Tensor) -> Tensor:
    """The same by Gram matrices."""
    own, cross = _square_sum(student_RD.T @ student_RD), _square_sum(teacher_RT.T @ student_RD)
    total = own - 2.0 * cross + _gram_square_sum(teacher_RT)
    return total.clamp(min=0.0).to(student_RD.dtype)


def grouped_gap(student_RD: Tensor, teacher_RT: Tensor, group_R: Tensor, *, positive: bool) -> Tensor:
    """Σ over ordered pairs of one group, of unit rows; `positive` leaves out pairs whose teacher cosine is ≤ 0."""
    order_R = torch.argsort(group_R, stable=True)
    total: Tensor = _GroupedGap.apply(  # type: ignore[no-untyped-call]
        student_RD.index_select(0, order_R), teacher_RT.index_select(0, order_R).detach(), group_R[order_R], positive
    )
    return total


def _square_sum(value: Tensor) -> Tensor:
    return value.double().square().sum()


def _gram_square_sum(value_RD: Tensor) -> Tensor:
    """‖XᵀX‖². The product is symmetric: pairs of blocks of columns are multiplied once and count twice."""
    total = torch.zeros((), dtype=torch.float64, device=value_RD.device)
    for begin in range(0, value_RD.shape[1], GRAM_COLUMNS):
        end = begin + GRAM_COLUMNS
        block_RC = value_RD[:, begin:end]
        total += _square_sum(block_RC.T @ block_RC) + 2.0 * _square_sum(block_RC.T @ value_RD[:, end:])
    return total


class _GroupedGap(torch.autograd.Function):
    """Value and gradient in one pass over blocks. Rows stand sorted by group: a block has one range of columns."""

    @staticmethod
    def forward(ctx: Any, student_RD: Tensor, teacher_RT: Tensor, group_R: Tensor, positive: bool) -> Tensor:
        total = torch.zeros((), dtype=torch.float64, device=student_RD.device)
        grad_RD = torch.empty_like(student_RD)
        begin_R = torch.searchsorted(group_R, group_R).tolist()
        end_R = torch.searchsorted(group_R, group_R, right=True).tolist()
        for first in range(0, len(begin_R), BLOCK_ROWS):
            block = slice(first, min(first + BLOCK_ROWS, len(begin_R)))
            reach = slice(begin_R[block.start], end_R[block.stop - 1])
            cosine_BC = teacher_RT[block] @ teacher_RT[reach].T
            gap_BC = student_RD[block] @ student_RD[reach].T - cosine_BC
            apart_BC = group_R[block, None] != group_R[None, reach]
            gap_BC.masked_fill_(apart_BC | (cosine_BC <= 0) if positive else apart_BC, 0.0)
            total += _square_sum(gap_BC)
            grad_RD[block] = gap_BC @ student_RD[reach]
        ctx.save_for_backward(grad_RD)
        return total.to(student_RD.dtype)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        (grad_RD,) = ctx.saved_tensors
        # Each unordered pair occurs twice, and each occurrence is a square.
        return 4.0 * grad_outputs[0] * grad_RD, None, None, None
