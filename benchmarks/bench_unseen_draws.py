"""Uniform unseen items for all users: torch (a dense mask and multinomial) and the twin against the native core."""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE
from rcekd.kernels import reference
from rcekd.kernels.csr import CSR
from rcekd.kernels.unseen_draws import unseen_draws

INTERACTIONS, DRAWS, BLOCK = 98_405, 100, 512


def multinomial(seen: CSR) -> Tensor:
    """In blocks of users, or the mask of all would take half a gigabyte."""
    drawn = []
    for user in torch.split(torch.arange(CITEULIKE.users), BLOCK):
        weight = torch.ones(user.numel(), CITEULIKE.items)
        at = torch.arange(int(seen.indptr[user[0]]), int(seen.indptr[user[-1] + 1]))
        weight[seen.rows()[at].long() - user[0], seen.indices[at].long()] = 0.0
        drawn.append(torch.multinomial(weight, DRAWS))
    return torch.cat(drawn)


def bench() -> str:
    generator = torch.Generator().manual_seed(0)
    user = torch.randint(CITEULIKE.users, (INTERACTIONS,), generator=generator)
    item = torch.randint(CITEULIKE.items, (INTERACTIONS,), generator=generator)
    seen = CSR.from_pairs(user, item, CITEULIKE.users).sorted_unique()
    options = {"seed": 0, "epoch": 0}
    timings = interleaved(
        {
            "torch, mask and multinomial": lambda: multinomial(seen),
            "twin": lambda: reference.unseen_draws(seen, CITEULIKE.items, DRAWS, **options),
            "native": lambda: unseen_draws(seen, CITEULIKE.items, DRAWS, **options),
        },
        rounds=3,
    )
    return table(f"{DRAWS} unseen items for {CITEULIKE.users} users", timings)


if __name__ == "__main__":
    print(bench() + stamp())
