"""The Plackett–Luce loss of ranked lists with its gradient: torch (log-sum-exps and autograd) and the twin, native."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from rcekd.kernels import reference
from rcekd.kernels.plackett_luce import plackett_luce

DISTINCT = 950  # items in a batch of RRD's or DCD's item side


def autograd(score_RW: Tensor, mask_RW: Tensor, *, positives: int) -> Tensor:
    """In float32 and without a row that is empty, which is all that autograd can do."""
    score_RW = score_RW.masked_fill(~mask_RW, -1e4)
    score_RK, other_RL = score_RW[:, :positives], score_RW[:, positives:]
    tail_RK = score_RK.flip(1).logcumsumexp(1).flip(1)
    z_RK = torch.logaddexp(tail_RK, other_RL.logsumexp(1, keepdim=True))
    return (z_RK - score_RK).masked_fill(~mask_RW[:, :positives], 0.0).sum(1)


def bench(width: int, positives: int, padding: float) -> str:
    generator = torch.Generator().manual_seed(0)
    score_RW = torch.randn(DISTINCT, width, generator=generator).requires_grad_()
    mask_RW = torch.rand(DISTINCT, width, generator=generator) >= padding
    grad_R = torch.rand(DISTINCT, generator=generator)

    def call(loss: Callable[..., Tensor]) -> None:
        score_RW.grad = None
        loss(score_RW, mask_RW, positives=positives).backward(grad_R)  # type: ignore[no-untyped-call]

    ways = {"torch, autograd in float32": autograd, "twin": reference.plackett_luce, "native": plackett_luce}
    title = f"{DISTINCT} × {width} scores, {positives} of them ranked, {padding:.0%} padding, forward and backward"
    return table(title, interleaved({name: lambda way=way: call(way) for name, way in ways.items()}))


if __name__ == "__main__":
    print(bench(140, 40, 0.0) + bench(200, 100, 0.0) + bench(200, 100, 0.3) + stamp())
