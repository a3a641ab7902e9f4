"""Teacher scores of 150 listed items for every user: torch gathering factors in chunks against the native core."""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, TEACHER_DIM, factors
from rcekd.kernels.pair_scores import pair_scores

LISTED, CHUNK = 150, 256


def gathered(user: Tensor, item: Tensor, item_UK: Tensor) -> Tensor:
    parts = [
        torch.bmm(item[ids], user[at : at + CHUNK, :, None])[:, :, 0]
        for at, ids in zip(range(0, item_UK.shape[0], CHUNK), item_UK.split(CHUNK), strict=True)
    ]
    return torch.cat(parts)


def bench(width: int) -> str:
    user, item = factors(CITEULIKE, width)
    item_UK = torch.randint(CITEULIKE.items, (CITEULIKE.users, LISTED), generator=torch.Generator().manual_seed(0))
    indptr = torch.arange(CITEULIKE.users + 1) * LISTED
    users, items = torch.arange(CITEULIKE.users, dtype=torch.int32), item_UK.flatten().int()
    timings = interleaved(
        {
            "torch gather + bmm": lambda: gathered(user, item, item_UK),
            "native": lambda: pair_scores(user, item, users, indptr, items),
        },
        rounds=3,
    )
    return table(f"Pair scores, {CITEULIKE.users} × {LISTED}, d = {width}", timings)


if __name__ == "__main__":
    print(bench(20) + bench(TEACHER_DIM) + stamp())
