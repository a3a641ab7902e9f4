"""DCD's draws inside the teacher's pools: torch (scores, argsort twice, an exponential race by topk) against native.

Rows are some of CiteULike's users, and some of its items with pools of users. The twin is left out: it emulates the
core's scores one rounding at a time.
"""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, STUDENT_DIM, factors
from rcekd.kernels.gap import GapDraws
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.pool_gap_draws import pool_gap_lists
from rcekd.kernels.topk import topk

ROWS, DRAWS, POOL, EPS, NOISE = 2048, 100, 500, 0.1, 0.5
DCD = [GapDraws(DRAWS, "tanh", EPS, "under", 0), GapDraws(DRAWS, "tanh", EPS, "over", 0)]


def pipeline(row_BD: Tensor, candidate_ID: Tensor, pool_BM: Tensor) -> list[Tensor]:
    """The same law of draws by torch's operations; the under-rated in the pool's order."""
    place_M = torch.arange(POOL)
    score_BM = list_scores(row_BD, candidate_ID, pool_BM)
    order_BM = score_BM.argsort(dim=1, descending=True, stable=True)
    gap_BM = torch.empty_like(order_BM).scatter_(1, order_BM, place_M.expand_as(order_BM)) - place_M
    drawn = []
    for sign in (1.0, -1.0):
        weight_BM = (sign * EPS * gap_BM).clamp(min=0.0).tanh()
        time_BM = torch.rand(weight_BM.shape).log_().neg_().div_(weight_BM).masked_fill_(weight_BM <= 0, torch.inf)
        time_BL, place_BL = time_BM.topk(DRAWS, dim=1, largest=False)
        place_BL = place_BL.masked_fill_(time_BL == torch.inf, POOL).sort(dim=1).values
        drawn.append(torch.nn.functional.pad(pool_BM, (0, 1), value=-1).gather(1, place_BL))
    return drawn


def bench(title: str, row_ND: Tensor, candidate_ID: Tensor, seed: int) -> str:
    """The pools are the lists of another model, the same tables with noise."""
    generator = torch.Generator().manual_seed(seed)
    other = (one + NOISE * torch.randn(one.shape, generator=generator) for one in (row_ND, candidate_ID))
    pool_NM, _ = topk(*other, POOL)
    timings = interleaved(
        {
            "torch": lambda: pipeline(row_ND, candidate_ID, pool_NM),
            "native, as drawn": lambda: pool_gap_lists(row_ND, candidate_ID, pool_NM, DCD, seed=0, epoch=0),
            "native, in order": lambda: pool_gap_lists(
                row_ND, candidate_ID, pool_NM, DCD, seed=0, epoch=0, in_order=True
            ),
        },
        rounds=3,
    )
    return table(f"{title}, {ROWS} pools of {POOL}, {STUDENT_DIM} wide, {DRAWS} + {DRAWS} draws", timings)


if __name__ == "__main__":
    user_UD, item_ID = factors(CITEULIKE, STUDENT_DIM)
    print(bench("Items for users", user_UD[:ROWS].contiguous(), item_ID, 1), end="")
    print(bench("Users for items", item_ID[:ROWS].contiguous(), user_UD, 2) + stamp())
