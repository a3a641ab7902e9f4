"""Sums of squared gaps between the cosines of two spaces over pairs of rows, without an n × n matrix.

With rows of length 1, Σ_ij (t_i·t_j − s_i·s_j)² = ‖TᵀT‖² + ‖SᵀS‖² − 2 ‖TᵀS‖² (Frobenius norms): three Gram matrices
as large as the widths, O(n (d_T² + d_T d_S + d_S²)) in place of O(n² (d_T + d_S)). The value is a difference of large
sums, so the squares are summed in float64; the gradient, 4 S(SᵀS) − 4 T(TᵀS), has no such trouble.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rcekd.devices import is_gpu
from rcekd.kernels.once import differentiable_once

BLOCK_ROWS = 256
SHARED_ROWS = 64  # groups share a block up to so many rows: below, a product costs less than calling it on a CPU
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
    own, cross = _exact_square_sum(student_RD.T @ student_RD), _exact_square_sum(teacher_RT.T @ student_RD)
    total = own - 2.0 * cross + _gram_square_sum(teacher_RT)
    return total.clamp(min=0.0).to(student_RD.dtype)


def grouped_gap(student_RD: Tensor, teacher_RT: Tensor, group_R: Tensor, *, positive: bool) -> Tensor:
    """Σ over ordered pairs of one group, of unit rows; `positive` leaves out pairs whose teacher cosine is ≤ 0."""
    order_R = torch.argsort(group_R, stable=True)
    total: Tensor = _GroupedGap.apply(  # type: ignore[no-untyped-call]
        student_RD.index_select(0, order_R), teacher_RT.index_select(0, order_R).detach(), group_R[order_R], positive
    )
    return total


def _exact_square_sum(value: Tensor) -> Tensor:
    """For sums that are subtracted from each other: squares in float64 too."""
    return value.double().square().sum()


def _square_sum(value: Tensor) -> Tensor:
    """Where nothing is subtracted from it: squares in the values' own type, their sum in float64."""
    return value.square().sum(dtype=torch.float64)


def _gram_square_sum(value_RD: Tensor) -> Tensor:
    """‖XᵀX‖². The product is symmetric: pairs of blocks of columns are multiplied once and count twice."""
    total = torch.zeros((), dtype=torch.float64, device=value_RD.device)
    for begin in range(0, value_RD.shape[1], GRAM_COLUMNS):
        end = begin + GRAM_COLUMNS
        block_RC = value_RD[:, begin:end]
        total += _exact_square_sum(block_RC.T @ block_RC) + 2.0 * _exact_square_sum(block_RC.T @ value_RD[:, end:])
    return total


class _Rows(NamedTuple):
    """A block of rows, sorted by group, and the pairs it is charged with: its own, and those with what follows it.

    The rows are first … last − 1. What follows, up to `reach`, is the rest of a group that the block cuts through.
    """

    first: int
    last: int
    reach: int
    shared: bool
    """Whether it holds more than one group."""


def _blocks(sizes: Sequence[int], shared_rows: int) -> Iterator[_Rows]:
    """Groups of these sizes as blocks: small ones together, a large one alone and, where it is too large, in pieces."""
    first = rows = groups = 0
    for size in sizes:
        if rows and rows + size > shared_rows:
            yield _Rows(first, first + rows, first + rows, groups > 1)
            first, rows, groups = first + rows, 0, 0
        rows, groups = rows + size, groups + 1
        if size > shared_rows:
            reach = first + size
            yield from (_Rows(at, min(at + BLOCK_ROWS, reach), reach, False) for at in range(first, reach, BLOCK_ROWS))
            first, rows, groups = reach, 0, 0
    if rows:
        yield _Rows(first, first + rows, first + rows, groups > 1)


class _GroupedGap(torch.autograd.Function):
    """Value and gradient in one pass over blocks. Both cosines are symmetric: a pair is computed in one order only."""

    @staticmethod
    def forward(ctx: Any, student_RD: Tensor, teacher_RT: Tensor, group_R: Tensor, positive: bool) -> Tensor:
        total = torch.zeros((), dtype=torch.float64, device=student_RD.device)
        grad_RD = torch.zeros_like(student_RD)
        sizes = torch.unique_consecutive(group_R, return_counts=True)[1].tolist()
        for block in _blocks(sizes, BLOCK_ROWS if is_gpu(student_RD.device) else SHARED_ROWS):
            own, later = slice(block.first, block.last), slice(block.last, block.reach)
            reach, size = slice(block.first, block.reach), block.last - block.first
            cosine_BC = teacher_RT[own] @ teacher_RT[reach].T
            gap_BC = student_RD[own] @ student_RD[reach].T - cosine_BC
            if positive:
                gap_BC *= cosine_BC.sign_().clamp_(min=0.0)  # 0 or 1; masked_fill_ would take far longer
            if block.shared:
                gap_BC.masked_fill_(group_R[own, None] != group_R[None, reach], 0.0)
            # Either order of a pair of the block's own occurs in it; of those with later rows one does.
            total += _square_sum(gap_BC[:, :size]) + 2.0 * _square_sum(gap_BC[:, size:])
            grad_RD[own] += gap_BC @ student_RD[reach]
            grad_RD[later] += gap_BC[:, size:].T @ student_RD[own]
        ctx.save_for_backward(grad_RD)
        return total.to(student_RD.dtype)

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None, None]:
        (grad_RD,) = ctx.saved_tensors
        # Each unordered pair occurs twice, and each occurrence is a square.
        return 4.0 * grad_outputs[0] * grad_RD, None, None, None
