"""Working through cells beside others that have the same ones."""

from pathlib import Path
from typing import Any

import pytest

from rcekd.experiments.place import Place
from rcekd.experiments.plan import Cell, parse_experiment
from rcekd.experiments.working import run_cell
from rcekd.training.run_folder import BusyFolder, RunFolder
from tests.flows.conftest import SMALL

GRID: dict[str, Any] = {
    "datasets": ["synthetic"],
    "methods": [{"label": "ce", "set": {"method.K": 10}}],
    "seeds": [0],
    "teachers": False,
    "set": SMALL,
}


def one_cell(**changes: Any) -> Cell:
    (cell,) = parse_experiment("mine", {**GRID, **changes}, None, "mine.yaml").cells()
    return cell


def test_a_cell_that_another_experiment_is_training_is_left_as_it_is(place: Place) -> None:
    plain, kept = one_cell(), one_cell(keep_trajectory=True)
    summary, _ = run_cell(plain, place)
    folder = RunFolder(Path(summary["run_dir"]))
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    folder.lock()
    try:
        with pytest.raises(BusyFolder):
            run_cell(kept, place)
    finally:
        folder.unlock()
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before
    run_cell(kept, place)
    assert folder.keeps_trajectory()
    assert folder.model_file.read_bytes() == before[folder.model_file]
    assert run_cell(plain, place)[0] == run_cell(kept, place)[0], "the one with its moments serves both"
