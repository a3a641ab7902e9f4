"""The same training on the CPU and on a device."""

from pathlib import Path
from typing import Any

import torch

from rcekd.datasets import Interactions
from rcekd.training.loop import Task
from tests.training.workbench import make_task, make_trainer

SHORT = {"epochs": 3, "batch_size": 64}


def bytes_of(task: Task, path: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """What training leaves: the model's file, and every epoch's figures without its times."""
    trainer, observer = make_trainer(task, path)
    trainer.run()
    lines = [{key: value for key, value in line.items() if key not in ("seconds", "phases")} for line in observer.lines]
    return (path / "model.safetensors").read_bytes(), lines


def same_run(data: Interactions, device: torch.device, path: Path, **asked: Any) -> None:
    """Asserts that a device changes nothing."""
    expected = bytes_of(make_task(data, **asked, **SHORT), path / "cpu")
    found = bytes_of(make_task(data.to(device), **asked, **SHORT), path / "device")
    assert found[1] == expected[1]
    assert found[0] == expected[0]
