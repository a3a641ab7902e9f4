"""The authors' sampler for all users: torch (membership, suffix counts, multinomial) and the twin against native."""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE
from rcekd.kernels import reference
from rcekd.kernels.horizon import horizon_draws

LISTED, TAUGHT, DRAWS, TAU = 200, 50, 50, 10.0


def multinomial(student: Tensor, teacher: Tensor) -> Tensor:
    raising = (student[:, :, None] == teacher[:, None, :]).any(-1)
    z = raising.flip(1).cumsum(1).flip(1).clamp(max=50)
    return student.gather(1, torch.multinomial((z / TAU).exp(), DRAWS))


def bench() -> str:
    generator = torch.Generator().manual_seed(0)
    student = torch.randint(CITEULIKE.items, (CITEULIKE.users, LISTED), generator=generator, dtype=torch.int32)
    shared = torch.rand(CITEULIKE.users, TAUGHT, generator=generator) < 0.5
    teacher = torch.randint(CITEULIKE.items, (CITEULIKE.users, TAUGHT), generator=generator, dtype=torch.int32)
    place = torch.rand(CITEULIKE.users, LISTED, generator=generator).argsort(1)[:, :TAUGHT]
    teacher = torch.where(shared, student.gather(1, place), teacher)
    options = {"draws": DRAWS, "tau": TAU, "seed": 0, "epoch": 0, "top_k": 50}
    timings = interleaved(
        {
            "torch, multinomial": lambda: multinomial(student, teacher),
            "twin": lambda: reference.horizon_draws(student, teacher, **options),
            "native": lambda: horizon_draws(student, teacher, **options),
        },
        rounds=3,
    )
    return table(f"Horizon draws, {CITEULIKE.users} users, {DRAWS} of {LISTED}", timings)


if __name__ == "__main__":
    print(bench() + stamp())
