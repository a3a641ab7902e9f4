"""A small experiment on generated data, its runs in a folder of the test's own."""

from pathlib import Path
from typing import Any

import pytest
import torch

from rcekd.config import RunSettings
from rcekd.experiments.layers import run_settings
from rcekd.experiments.place import Place
from tests.flows.conftest import LISTS, SMALL

ENDLESS = {"teacher.train.epochs": 12, "teacher.train.patience": 0, "teacher.train.checkpoint_seconds": 0}


@pytest.fixture
def place(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("RCEKD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    torch.set_num_threads(1)
    return Place(tmp_path / "runs")


@pytest.fixture
def settings() -> RunSettings:
    sets: dict[str, Any] = {**SMALL, **LISTS, **ENDLESS}
    return run_settings("synthetic", sets=sets)
