"""Clocks."""

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from rcekd.serving.latency import latency, throughput, visitors


class Clock:
    """Time that passes only in answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def tick(self, seconds: float) -> None:
        self.now += seconds


def test_percentiles_of_a_known_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """User n takes n milliseconds: of 0 … 100 the percentiles are their own numbers, whatever warming up took."""
    asked: list[int] = []
    clock = Clock(monkeypatch)

    def answer(user: int) -> None:
        asked.append(user)
        clock.tick(1.0 if len(asked) <= 2 else user / 1000)

    took = latency(answer, list(range(101)), warm_up=2)
    assert asked == [0, 1, *range(101)]
    assert took == pytest.approx((50.0, 95.0, 99.0, 101))


def test_users_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of three batches after one untimed, or of as many as fill the time asked for."""
    clock, delays = Clock(monkeypatch), [0.001, 0.5, 0.25, 0.4, 0.125, 0.3]
    for seconds, best, left in ((0.0, 0.25, 2), (1.2, 0.125, 1)):
        passing = iter(delays)

        def answer(users: Tensor, passing: Iterator[float] = passing) -> None:
            assert users.numel() == 100
            clock.tick(next(passing))

        assert throughput(answer, torch.arange(100), seconds=seconds) == pytest.approx(100 / best)
        assert len(list(passing)) == left


def test_the_same_visitors_every_time() -> None:
    assert torch.equal(visitors(10, 50), visitors(10, 50))
    assert int(visitors(10, 500).max()) == 9
