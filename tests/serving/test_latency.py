"""Clocks."""

import time

import torch

from rcekd.serving.latency import latency, throughput, visitors


def test_percentiles_of_a_known_delay() -> None:
    asked: list[int] = []

    def answer(user: int) -> None:
        asked.append(user)
        time.sleep(0.02 if user == 9 else 0.001)

    took = latency(answer, list(range(10)), warm_up=2)
    assert asked == [0, 1, *range(10)]
    assert took.requests == 10
    assert 1 <= took.p50 < took.p99
    assert took.p99 > 10


def test_users_per_second() -> None:
    calls: list[int] = []
    rate = throughput(lambda users: calls.append(users.numel()) or time.sleep(0.01), torch.arange(100), seconds=0.0)
    assert len(calls) == 4
    assert 0 < rate < 100 / 0.01


def test_the_same_visitors_every_time() -> None:
    assert torch.equal(visitors(10, 50), visitors(10, 50))
    assert int(visitors(10, 500).max()) == 9
