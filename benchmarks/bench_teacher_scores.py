"""A wide teacher's scores of the items that a student's pass brings up, 100 a user: ways to have them.

By the native operation from the teacher's factors, which is what rcekd does; by torch on gathered rows; by a product
with all items of which 100 are kept; and from a matrix of all scores, float16 in a file that is mapped, whose making is
not timed. That last one rounds, and holds |U| × |I| numbers.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, GOWALLA, Catalogue, factors
from rcekd.kernels.list_scores import list_scores

LISTED, BLOCK = 100, 512


def gathered(user: Tensor, item: Tensor, listed: Tensor) -> None:
    for rows, ids in zip(user.split(BLOCK), listed.long().split(BLOCK), strict=True):
        torch.bmm(item[ids], rows[:, :, None])


def multiplied(user: Tensor, item: Tensor, listed: Tensor) -> None:
    for rows, ids in zip(user.split(BLOCK), listed.long().split(BLOCK), strict=True):
        (rows @ item.T).gather(1, ids)


def stored(user: Tensor, item: Tensor, path: Path) -> np.ndarray:
    scores = np.memmap(path, dtype=np.float16, mode="w+", shape=(user.shape[0], item.shape[0]))
    for first in range(0, user.shape[0], BLOCK):
        scores[first : first + BLOCK] = (user[first : first + BLOCK] @ item.T).half().numpy()
    return scores


def bench(catalogue: Catalogue, width: int) -> str:
    user, item = factors(catalogue, width)
    generator = torch.Generator().manual_seed(0)
    listed = torch.randint(catalogue.items, (catalogue.users, LISTED), generator=generator, dtype=torch.int32)
    ids = listed.long().numpy()
    with tempfile.TemporaryDirectory() as folder:
        scores = stored(user, item, Path(folder) / "scores")
        timings = interleaved(
            {
                "product with all items, then gather": lambda: multiplied(user, item, listed),
                "torch, gathered factors": lambda: gathered(user, item, listed),
                "float16 matrix in a file": lambda: np.take_along_axis(scores, ids, axis=1),
                "native, from the factors": lambda: list_scores(user, item, listed),
            },
            rounds=2,
        )
    size = 2 * catalogue.users * catalogue.items / 2**20
    title = f"{LISTED} scores for each of {catalogue.users} users, {catalogue.items} items, d = {width}"
    return table(f"{title} (the matrix: {size:.0f} MiB)", timings)


if __name__ == "__main__":
    few = GOWALLA._replace(users=4096)
    print(bench(CITEULIKE, 400) + bench(few, 400) + bench(few, 2000) + stamp())
