"""Rows of a batch's losses over two lists per user: torch against the native core."""

import torch

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import GOWALLA
from rcekd.kernels import reference
from rcekd.kernels.batch_rows import batch_rows

BATCH, LISTS = 2048, 2


def bench() -> str:
    user_B = torch.randint(GOWALLA.users, (BATCH,), dtype=torch.int32)
    scale_GU, share_U = torch.rand(LISTS, GOWALLA.users), torch.rand(GOWALLA.users)
    timings = interleaved(
        {
            "torch": lambda: reference.batch_rows(user_B, scale_GU, share_U),
            "native": lambda: batch_rows(user_B, scale_GU, share_U),
        }
    )
    return table(f"Rows of a batch of {BATCH} over {LISTS} lists", timings)


if __name__ == "__main__":
    print(bench() + stamp())
