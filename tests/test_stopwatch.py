"""The stopwatch adds up per name and starts again when read."""

import pytest
import torch

from rcekd import devices, work
from rcekd.stopwatch import Stopwatch


def test_phases_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 1.0, 5.0, 7.0, 10.0, 10.5])
    monkeypatch.setattr("rcekd.stopwatch.time.perf_counter", lambda: next(ticks))
    clock = Stopwatch()
    for name in ("a", "a", "b"):
        with clock.phase(name):
            pass
    assert clock.take() == {"a": 3.0, "b": 0.5}
    assert clock.take() == {}


def test_a_phase_that_fails_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 2.0])
    monkeypatch.setattr("rcekd.stopwatch.time.perf_counter", lambda: next(ticks))
    clock = Stopwatch()
    with pytest.raises(ZeroDivisionError), clock.phase("a"):
        raise ZeroDivisionError
    assert clock.seconds == {"a": 2.0}


def test_a_phase_waits_for_its_device_only_where_work_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(devices, "wait", waited.append)
    clock = Stopwatch(torch.device("cuda", 0))
    with clock.phase("usual"):
        pass
    assert waited == []
    with work.counting(), clock.phase("profiled"):
        assert len(waited) == 1
    assert waited == [torch.device("cuda", 0)] * 2
