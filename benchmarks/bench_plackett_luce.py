"""The Plackett–Luce loss of ranked lists with its gradient: torch (plain sums, or log-sum-exps: the twin), native."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from rcekd.kernels import reference
from rcekd.kernels.plackett_luce import plackett_luce

ROWS = 950  # distinct users, or items, in a batch of 2048 interactions of CiteULike


class _PlainSums(torch.autograd.Function):
    """What torch does fastest, and only where scores differ by less than 600: exponentials in float64 and their sums.

    The methods called this until the operation was native.
    """

    @staticmethod
    def forward(ctx: Any, score_RW: Tensor, mask_RW: Tensor, cut: int) -> Tensor:
        hole_RW = None if bool(mask_RW.all()) else ~mask_RW
        shifted_RW = score_RW.double().sub_(filled(score_RW, hole_RW, -torch.inf).amax(1, keepdim=True))
        shifted_RW = filled(shifted_RW, hole_RW, -torch.inf)
        hole_RK = None if hole_RW is None else hole_RW[:, :cut]
        slope_RW = shifted_RW.exp()
        weight_RK, weight_RL = slope_RW[:, :cut], slope_RW[:, cut:]
        sum_RK = weight_RK.flip(1).cumsum_(1).flip(1).add_(weight_RL.sum(1, keepdim=True))
        passed_RK = filled(sum_RK.reciprocal(), hole_RK, 0.0).cumsum_(1)
        weight_RK.mul_(passed_RK)
        weight_RL.mul_(passed_RK[:, -1:])
        weight_RK.copy_(filled(weight_RK.sub_(1.0), hole_RK, 0.0))
        ctx.save_for_backward(slope_RW.to(score_RW.dtype))
        return filled(sum_RK.log_().sub_(shifted_RW[:, :cut]), hole_RK, 0.0).sum(1).to(score_RW.dtype)

    @staticmethod
    def backward(ctx: Any, grad_R: Tensor) -> tuple[Tensor, None, None]:
        (slope_RW,) = ctx.saved_tensors
        return slope_RW * grad_R[:, None], None, None


def filled(value: Tensor, hole: Tensor | None, filling: float) -> Tensor:
    return value if hole is None else value.masked_fill(hole, filling)


def plain_sums(score_RW: Tensor, mask_RW: Tensor, *, positives: int) -> Tensor:
    loss_R: Tensor = _PlainSums.apply(score_RW, mask_RW, positives)  # type: ignore[no-untyped-call]
    return loss_R


def bench(width: int, positives: int, padding: float) -> str:
    generator = torch.Generator().manual_seed(0)
    score_RW = torch.randn(ROWS, width, generator=generator).requires_grad_()
    mask_RW = torch.rand(ROWS, width, generator=generator) >= padding
    grad_R = torch.rand(ROWS, generator=generator)

    def call(loss: Callable[..., Tensor]) -> None:
        score_RW.grad = None
        loss(score_RW, mask_RW, positives=positives).backward(grad_R)  # type: ignore[no-untyped-call]

    ways = {"torch, plain sums": plain_sums, "torch, log-sum-exps": reference.plackett_luce, "native": plackett_luce}
    title = f"{ROWS} × {width} scores, {positives} of them ranked, {padding:.0%} padding, forward and backward"
    return table(title, interleaved({name: lambda way=way: call(way) for name, way in ways.items()}))


if __name__ == "__main__":
    print(bench(140, 40, 0.0) + bench(200, 100, 0.0) + bench(200, 100, 0.3) + stamp())
