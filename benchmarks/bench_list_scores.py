"""Scores of one list per user with both gradients: torch (gather, einsum, autograd) and the twin against native."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, STUDENT_DIM, factors
from rcekd.kernels import reference
from rcekd.kernels.list_scores import list_scores

DISTINCT, LISTED = 1400, 150  # users in a batch of 2048 interactions; RRD's 50 ranked and 100 drawn items


def gather(user_RD: Tensor, item_ID: Tensor, item_RW: Tensor) -> Tensor:
    return torch.einsum("rd,rwd->rw", user_RD, item_ID[item_RW])


def bench(width: int) -> str:
    user_UD, item_ID = (factor.requires_grad_() for factor in factors(CITEULIKE, width))
    generator = torch.Generator().manual_seed(1)
    user_R = torch.randperm(CITEULIKE.users, generator=generator)[:DISTINCT].sort().values
    item_RW = torch.randint(CITEULIKE.items, (DISTINCT, LISTED), generator=generator, dtype=torch.int32)
    grad_RW = torch.randn(DISTINCT, LISTED, generator=generator)

    def call(scores: Callable[..., Tensor], *, backward: bool) -> None:
        user_UD.grad = item_ID.grad = None
        with torch.set_grad_enabled(backward):
            score_RW = scores(user_UD[user_R], item_ID, item_RW)
        if backward:
            score_RW.backward(grad_RW)  # type: ignore[no-untyped-call]

    ways = {"torch, gather and einsum": gather, "twin": reference.list_scores, "native": list_scores}
    forward = {name: lambda way=way: call(way, backward=False) for name, way in ways.items()}
    both = {name: lambda way=way: call(way, backward=True) for name, way in ways.items()}
    title = f"{DISTINCT} × {LISTED} list scores, d = {width}"
    return table(title, interleaved(forward)) + table(f"{title}, forward and backward", interleaved(both))


if __name__ == "__main__":
    print(bench(STUDENT_DIM) + bench(64) + stamp())
