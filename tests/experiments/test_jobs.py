"""Several processes at one experiment: their exit codes come back, and none outlives the one that started it."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from rcekd.experiments import jobs
from rcekd.experiments.jobs import describe, side_by_side, was_stopped

BEGUN_AND_STOPPED = """
import os, pathlib, signal, sys, time
def stop(number, frame):
    pathlib.Path(sys.argv[1], f"{os.getpid()}.stopped").touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(sys.argv[1], f"{os.getpid()}.begun").touch()
time.sleep(60)
"""


def test_codes_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "START", "import sys; sys.exit(int(sys.argv[1]))")
    looks: list[int] = []
    assert side_by_side(["3"], 2, lambda: looks.append(1), every=0.01) == [3, 3]
    assert looks


def test_the_last_look_is_at_what_all_have_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jobs, "START", "import os, pathlib, sys; pathlib.Path(sys.argv[1], str(os.getpid())).touch()")
    seen: list[int] = []
    side_by_side([str(tmp_path)], 2, lambda: seen.append(len(list(tmp_path.iterdir()))), every=60.0)
    assert seen[-1] == 2


def test_sigterm_stops_the_workers_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jobs, "START", BEGUN_AND_STOPPED)
    before = signal.getsignal(signal.SIGTERM)

    def stop_when_begun() -> None:
        while len(list(tmp_path.glob("*.begun"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    # Were the signal not taken, it would end the tests.
    signal.signal(signal.SIGTERM, own := lambda *_: None)
    try:
        threading.Thread(target=stop_when_begun, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            side_by_side([str(tmp_path)], 2, lambda: None, every=0.05)
        assert time.monotonic() - began < 30
        assert signal.getsignal(signal.SIGTERM) is own, "given back"
    finally:
        signal.signal(signal.SIGTERM, before)
    assert len(list(tmp_path.glob("*.stopped"))) == 2


@pytest.mark.parametrize(
    ("code", "says", "stopped"),
    [(0, "with code 0", False), (2, "with code 2", False), (130, "with code 130", True), (-15, "by SIGTERM", True),
     (-2, "by SIGINT", True), (-9, "by SIGKILL", False)],
)  # fmt: skip
def test_how_a_process_ended(code: int, says: str, stopped: bool) -> None:
    assert (describe(code), was_stopped(code)) == (says, stopped)
