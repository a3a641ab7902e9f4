"""Cross-entropy over item sets with dense gradients: torch on gathered factors against the native core."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, STUDENT_DIM, factors
from rcekd.kernels import reference
from rcekd.kernels.set_cross_entropy import ItemSets, set_cross_entropy
from rcekd.kernels.set_softmax import set_softmax

DISTINCT = 1400  # users in a batch of 2048 interactions


def lists(shortest: int, longest: int) -> ItemSets:
    """A set for every user, of random length."""
    generator = torch.Generator().manual_seed(0)
    length = torch.randint(shortest, longest + 1, (CITEULIKE.users,), generator=generator)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), length.cumsum(0)])
    items = torch.randint(CITEULIKE.items, (int(indptr[-1]),), generator=generator, dtype=torch.int32)
    return ItemSets(indptr, items, set_softmax(torch.randn(items.numel(), generator=generator), indptr))


def both_sides(width: int) -> tuple[dict[str, Callable[[], None]], int]:
    """The two calls, and how many slots the sets of the batch have."""
    leaves = [table.requires_grad_() for table in factors(CITEULIKE, width)]
    own, drawn = lists(50, 50), lists(60, 100)
    both = ItemSets(
        torch.cat([own.indptr, drawn.indptr[1:] + own.items.numel()]),
        torch.cat([own.items, drawn.items]),
        torch.cat([own.prob, drawn.prob]),
    )
    users = torch.randperm(CITEULIKE.users, generator=torch.Generator().manual_seed(1))[:DISTINCT].sort().values.int()
    sets_R = torch.cat([users, users + CITEULIKE.users])
    users_R, weight = torch.cat([users, users]), torch.rand(2 * DISTINCT)

    def call(loss: Callable[..., Tensor]) -> None:
        for leaf in leaves:
            leaf.grad = None
        loss(*leaves, both, users_R, sets_R, weight).backward()

    slots = int(both.indptr.diff()[sets_R.long()].sum())
    return {"torch": lambda: call(reference.set_cross_entropy), "native": lambda: call(set_cross_entropy)}, slots


def bench(width: int) -> str:
    calls, slots = both_sides(width)
    return table(f"Set cross-entropy, {2 * DISTINCT} rows, {slots} slots, d = {width}", interleaved(calls))


if __name__ == "__main__":
    print(bench(STUDENT_DIM) + bench(64) + stamp())
