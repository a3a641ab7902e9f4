"""State that was saved on one device is gone on with on another."""

from pathlib import Path
from typing import Any

import pytest

from rcekd.training.early_stopping import BestEpoch
from rcekd.training.loop import Task
from tests.contracts.board import checkerboard
from tests.devices.pretend import Pretend
from tests.training.workbench import make_task, make_trainer

DATA = checkerboard(24, 20)
METHODS: list[dict[str, Any]] = [
    {"method": "rcekd"},
    {"method": "bd", "case": {"eps_tanh": 0.1}},
    {"method": "de", "case": {"E": 3}},
    {"method": "hetcomp", "case": {"K": 6, "depth": 5, "p": 1}},
]


def stop_after(task: Task, path: Path, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, and be killed in the epoch after so many."""
    update, calls = BestEpoch.update, iter(range(100))

    def stop(self: BestEpoch, *arguments: object) -> bool:
        if next(calls) == epochs:
            raise KeyboardInterrupt
        return update(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(BestEpoch, "update", stop)
        with pytest.raises(KeyboardInterrupt):
            make_trainer(task, path)[0].run()


@pytest.mark.parametrize("first", ["cpu", "device"])
@pytest.mark.parametrize("asked", METHODS, ids=lambda asked: asked["method"])
def test_it_goes_on_elsewhere(
    pretend: Pretend, asked: dict[str, Any], first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    often = {**asked, "epochs": 4, "checkpoint_seconds": 0.0}
    make_trainer(make_task(DATA, **often), tmp_path / "whole")[0].run()
    here, there = DATA, DATA.to(pretend.device)
    if first == "device":
        here, there = there, here
    stop_after(make_task(here, **often), tmp_path / "moved", 2, monkeypatch)
    make_trainer(make_task(there, **often), tmp_path / "moved")[0].run()
    whole, moved = (tmp_path / place / "model.safetensors" for place in ("whole", "moved"))
    assert moved.read_bytes() == whole.read_bytes()
