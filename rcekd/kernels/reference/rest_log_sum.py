"""Plain-torch log Σ e^s over all items but some, a block of users at a time: no |B| × |I| matrix outlives its block."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.once import differentiable_once
from rcekd.kernels.reference.segments import expand_rows

BLOCK_BYTES = 16 << 20


class _RestLogSum(torch.autograd.Function):
    """The scores of a block are made twice, once in each direction, and never kept."""

    @staticmethod
    def forward(ctx: Any, user_RD: Tensor, item_ID: Tensor, row: Tensor, column: Tensor) -> Tensor:
        sum_R = torch.cat([score_BI.logsumexp(1) for _, score_BI in _blocks(user_RD, item_ID, row, column)])
        sum_R.masked_fill_(sum_R == torch.inf, torch.nan)  # no share of it is a number
        ctx.save_for_backward(user_RD, item_ID, row, column, sum_R)
        return sum_R

    @staticmethod
    @differentiable_once
    def backward(ctx: Any, grad_R: Tensor) -> tuple[Tensor | None, ...]:
        user_RD, item_ID, row, column, sum_R = ctx.saved_tensors
        grad_user_RD, grad_item_ID = torch.empty_like(user_RD), torch.zeros_like(item_ID)
        # Where nothing is left the sum is −inf, and a share of it nothing rather than NaN.
        finite_R = sum_R.masked_fill(sum_R == -torch.inf, 0.0)
        for rows, score_BI in _blocks(user_RD, item_ID, row, column):
            share_BI = score_BI.sub_(finite_R[rows, None]).exp_().mul_(grad_R[rows, None])
            grad_user_RD[rows] = share_BI @ item_ID
            grad_item_ID.addmm_(share_BI.T, user_RD[rows])
        return grad_user_RD, grad_item_ID, None, None


def _blocks(user_RD: Tensor, item_ID: Tensor, row: Tensor, column: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The rows' scores, a few rows at a time, −inf where (row, column) says that the item is left out."""
    step = max(1, BLOCK_BYTES // max(1, item_ID.shape[0] * user_RD.element_size()))
    for begin in range(0, max(1, user_RD.shape[0]), step):
        rows = slice(begin, begin + step)
        score_BI = user_RD[rows] @ item_ID.T
        here = slice(*torch.searchsorted(row, torch.tensor([begin, begin + step], device=row.device)).tolist())
        score_BI[row[here] - begin, column[here]] = -torch.inf
        yield rows, score_BI


def rest_log_sum(user_RD: Tensor, item_ID: Tensor, user_R: Tensor, left_out: CSR) -> Tensor:
    """log Σ_{i ∉ left_out[user_R[r]]} e^{user_r · item_i}, [R]. Any floating dtype.

    −inf where nothing is left, NaN where a score is NaN or +inf. Costs 4·R·I·D multiply-adds with both gradients, and
    at most a few blocks of 16 MiB.
    """
    row, entry = expand_rows(left_out.indptr, user_R.long())
    column = left_out.indices[entry].long()
    found: Tensor = _RestLogSum.apply(user_RD, item_ID, row, column)  # type: ignore[no-untyped-call]
    return found
