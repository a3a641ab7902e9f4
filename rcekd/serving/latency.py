"""How long lists take: one user at a time, and many at once."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Latency(NamedTuple):
    """Milliseconds from a request for one user to its list: half, 95 % and 99 % of requests took at most so long."""

    p50: float
    p95: float
    p99: float
    requests: int


def latency(answer: Callable[[int], object], users: list[int], *, warm_up: int = 20) -> Latency:
    """Ask for one user after the other, the first few untimed."""
    for user in users[:warm_up]:
        answer(user)
    taken = np.empty(len(users))
    for number, user in enumerate(users):
        start = time.perf_counter()
        answer(user)
        taken[number] = time.perf_counter() - start
    p50, p95, p99 = (1e3 * np.percentile(taken, (50, 95, 99))).tolist()
    return Latency(p50, p95, p99, len(users))


def throughput(answer: Callable[[Tensor], object], users: Tensor, *, seconds: float = 1.0) -> float:
    """Users per second, the best of repeated batches for about so long, at least three, after one untimed."""
    answer(users)
    best, spent, rounds = float("inf"), 0.0, 0
    while rounds < 3 or spent < seconds:
        start = time.perf_counter()
        answer(users)
        taken = time.perf_counter() - start
        best, spent, rounds = min(best, taken), spent + taken, rounds + 1
    return users.numel() / best


def visitors(n_users: int, count: int, seed: int = 0) -> Tensor:
    """`count` users as they might come, with repeats, int32."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(n_users, (count,), generator=generator, dtype=torch.int32)
