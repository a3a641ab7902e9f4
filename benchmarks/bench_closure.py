"""RCE-KD's closure pass: the student's top K, the split of the teacher's, z, and L draws without replacement.

The torch side is matmul + topk + searchsorted + multinomial on blocks of 512 users, with weights kept in range. The
teacher is the student plus noise: `mastered` is the share of its top K that the student has found.
"""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, Catalogue, factors
from rcekd.kernels.closure import closure
from rcekd.kernels.topk import topk

BLOCK, TAU = 512, 10.0
SOME = Catalogue(1_024, CITEULIKE.items)  # as many users as torch gets through in a second or two


def pipeline(user: Tensor, item: Tensor, teacher_UK: Tensor, draws: int) -> None:
    """The same lists and the same law of draws, with torch's operations on a block's whole score matrix."""
    for rows, teacher_BK in zip(user.split(BLOCK), teacher_UK.split(BLOCK), strict=True):
        score_BI = rows @ item.T
        ids_BK = teacher_BK.long()
        own = torch.zeros_like(score_BI, dtype=torch.bool).scatter_(1, score_BI.topk(ids_BK.shape[1]).indices, True)
        raising_BK = score_BI.gather(1, ids_BK).masked_fill(own.gather(1, ids_BK), float("inf")).sort(1).values
        z_BI = torch.searchsorted(raising_BK, score_BI).float()
        weight_BI = torch.exp((z_BI - z_BI.amax(1, keepdim=True)) / TAU).scatter_(1, ids_BK, 0.0)
        torch.multinomial(weight_BI, draws)


def bench(width: int, k: int, draws: int, noise: float) -> str:
    user, item = factors(SOME, width)
    other_user, other_item = factors(SOME, width, seed=1)
    teacher_UK, _ = topk(user + noise * other_user, item + noise * other_item, k)
    found = closure(user, item, teacher_UK, draws=draws, tau=TAU, seed=0, epoch=0)
    timings = interleaved(
        {
            "torch pipeline": lambda: pipeline(user, item, teacher_UK, draws),
            "native": lambda: closure(user, item, teacher_UK, draws=draws, tau=TAU, seed=0, epoch=0),
        },
        rounds=1,
    )
    mastered = float(found.mastered_BK.float().mean())
    title = f"Closure pass, {SOME.users} × {SOME.items}, d = {width}, K = {k}, L = {draws}"
    return table(f"{title}, mastered {mastered:.0%}", timings)


if __name__ == "__main__":
    cases = [bench(20, 50, 50, 0.3), bench(20, 50, 50, 2.0), bench(20, 100, 100, 0.3), bench(64, 50, 50, 0.3)]
    print("".join(cases) + stamp())
