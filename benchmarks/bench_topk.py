"""Top-K of every user over the whole catalogue: torch's matmul, matmul and topk, and the native fused scan.

torch gets its output preallocated and works on blocks of 1,024 users, so that neither side holds |U| × |I| scores.
"""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, TEACHER_DIM, factors
from rcekd.kernels.topk import topk

BLOCK = 1024


def scores(user: Tensor, item: Tensor, out: Tensor, k: int) -> None:
    """Score every user; with k, rank too."""
    for rows in user.split(BLOCK):
        torch.matmul(rows, item.T, out=out[: rows.shape[0]])
        if k:
            torch.topk(out[: rows.shape[0]], k)


def bench(width: int, k: int) -> str:
    user, item = factors(CITEULIKE, width)
    out = torch.empty(BLOCK, CITEULIKE.items)
    timings = interleaved(
        {
            "torch matmul(out=)": lambda: scores(user, item, out, 0),
            "torch matmul(out=) + topk": lambda: scores(user, item, out, k),
            "native": lambda: topk(user, item, k),
        },
        rounds=3,
    )
    return table(f"Top {k} of {CITEULIKE.items} for {CITEULIKE.users} users, d = {width}", timings)


if __name__ == "__main__":
    print(bench(20, 20) + bench(20, 200) + bench(64, 20) + bench(TEACHER_DIM, 50) + stamp())
