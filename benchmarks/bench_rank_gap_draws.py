"""DCD's and BD's draws: torch (matmul, argsort twice per model, multinomial) against the native core.

The twin is left out: it emulates the core's scores one rounding at a time, in minutes.
"""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, STUDENT_DIM, TEACHER_DIM, factors
from rcekd.kernels.csr import CSR
from rcekd.kernels.rank_gap_draws import GapDraws, rank_gap_lists

INTERACTIONS, USERS, BLOCK = 98_405, 1024, 256
DCD = [GapDraws(100, "tanh", 0.1, "under", 0), GapDraws(100, "tanh", 0.1, "over", 1)]
BD = [GapDraws(20, "tanh", 1e-2, "under", 0, True), GapDraws(20, "exp", 1e-4, "over", 1, True)]


def ranks(user_BD: Tensor, item_ID: Tensor, hidden_BI: Tensor) -> Tensor:
    score_BI = (user_BD @ item_ID.T).masked_fill_(hidden_BI, -torch.inf)
    return score_BI.argsort(dim=1, descending=True).argsort(dim=1)


def dense(tables: tuple[Tensor, ...], requests: list[GapDraws], hidden_UI: Tensor) -> list[Tensor]:
    """In blocks of users; a small floor under the weights, or multinomial refuses rows with too few above 0."""
    drawn = []
    for rows in torch.split(torch.arange(USERS), BLOCK):
        hidden = hidden_UI[rows]
        gap = ranks(tables[0][rows], tables[1], hidden) - ranks(tables[2][rows], tables[3], hidden)
        for request in requests:
            far = request.eps * (gap if request.direction == "under" else -gap)
            weight = far.clamp(min=0).tanh() + 1e-9 if request.weight == "tanh" else far.exp()
            weight = weight.masked_fill(hidden, 0.0)
            drawn.append(torch.multinomial(weight, request.draws, replacement=request.replacement))
    return drawn


def bench(title: str, requests: list[GapDraws]) -> str:
    generator = torch.Generator().manual_seed(0)
    tables = *factors(CITEULIKE, STUDENT_DIM), *factors(CITEULIKE, TEACHER_DIM, seed=1)
    user = torch.randint(CITEULIKE.users, (INTERACTIONS,), generator=generator)
    item = torch.randint(CITEULIKE.items, (INTERACTIONS,), generator=generator)
    seen, users_B = CSR.from_pairs(user, item, CITEULIKE.users).sorted_unique(), torch.arange(USERS)
    hidden = torch.zeros(USERS, CITEULIKE.items, dtype=torch.bool)
    hidden[user[user < USERS], item[user < USERS]] = True
    timings = interleaved(
        {
            "torch, argsort and multinomial": lambda: dense(tables, requests, hidden),
            "native": lambda: rank_gap_lists(*tables, requests, seed=0, epoch=0, seen=seen, users_B=users_B),
        },
        rounds=2,
    )
    return table(f"{title}, {USERS} of {CITEULIKE.users} users, {STUDENT_DIM} against {TEACHER_DIM} wide", timings)


if __name__ == "__main__":
    print(bench("DCD's under and over", DCD) + bench("BD's two ways", BD) + stamp())
