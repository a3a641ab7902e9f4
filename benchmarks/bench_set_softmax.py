"""Softmax within every user's set: torch against the native core."""

import torch

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE
from rcekd.kernels import reference
from rcekd.kernels.set_softmax import set_softmax

LISTED = 100


def bench() -> str:
    score = torch.randn(CITEULIKE.users * LISTED)
    indptr = torch.arange(CITEULIKE.users + 1) * LISTED
    timings = interleaved(
        {
            "torch, ragged": lambda: reference.set_softmax(score, indptr),
            "torch, even lists": lambda: score.view(-1, LISTED).softmax(1),
            "native, ragged": lambda: set_softmax(score, indptr),
        }
    )
    return table(f"Softmax of {CITEULIKE.users} sets of {LISTED}", timings)


if __name__ == "__main__":
    print(bench() + stamp())
