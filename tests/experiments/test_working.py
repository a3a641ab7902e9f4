"""Working through cells beside others that have the same ones."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from rcekd.experiments import working
from rcekd.experiments.place import Place
from rcekd.experiments.plan import Cell, Experiment, parse_experiment
from rcekd.experiments.working import News, folder_of, run_cell, work
from rcekd.training.run_folder import BusyFolder, RunFolder
from tests.flows.conftest import SMALL

GRID: dict[str, Any] = {
    "datasets": ["synthetic"],
    "methods": [{"label": "ce", "set": {"method.K": 10}}],
    "seeds": [0],
    "teachers": False,
    "set": SMALL,
}


def experiment(**changes: Any) -> Experiment:
    return parse_experiment("mine", {**GRID, **changes}, None, "mine.yaml")


def one_cell(**changes: Any) -> Cell:
    (cell,) = experiment(**changes).cells()
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


def test_a_teacher_that_has_finished_is_not_trained_again_for_its_own_cell(place: Place) -> None:
    hetcomp = {"label": "hetcomp", "set": {"method.K": 5}}
    teacher, plain, needy = experiment(methods=[*GRID["methods"], hetcomp], teachers=True).cells()
    run_cell(plain, place)  # as with --only ce
    (folder,) = (RunFolder(path) for path in place.runs_dir.glob("teacher-*"))
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    summary, _ = run_cell(teacher, place)
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before
    assert not folder.keeps_trajectory()
    run_cell(needy, place)
    assert folder.keeps_trajectory(), "the method that needs it has it made"
    assert run_cell(teacher, place)[0]["test"] == summary["test"]


def test_a_teachers_cell_that_comes_first_keeps_what_a_method_needs(place: Place) -> None:
    teacher, *_ = experiment(
        methods=[*GRID["methods"], {"label": "hetcomp", "set": {"method.K": 5}}], teachers=True
    ).cells()
    summary, _ = run_cell(teacher, place)
    assert RunFolder(Path(summary["run_dir"])).keeps_trajectory()


def test_a_cell_that_fails_for_another_process_is_not_run_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = experiment(seeds=[0, 1])
    cells, folder = list(mine.cells()), folder_of(mine, place.runs_dir)
    folder.create(mine)
    ran: list[int] = []

    def fail(cell: Cell, _: Place) -> Any:
        ran.append(cell.labels.seed)
        if cell.labels.seed == 0:
            # Meanwhile another process has taken the other cell, and failed.
            folder.fail(cells[1], "by another", ours=True)
        raise RuntimeError("always")

    monkeypatch.setattr(working, "run_cell", fail)
    work(cells, folder, place, lambda _: None)
    assert ran == [0]
    assert folder.failure(cells[1]) == {"id": cells[1].identity, "labels": cells[1].labels._asdict()} | {
        "error": "by another",
        "ours": True,
    }
    monkeypatch.setattr(working, "run_cell", lambda cell, _: ran.append(cell.labels.seed) or ({}, {}))
    work(cells, folder, place, lambda _: None)
    assert ran == [0, 0, 1], "what failed before is tried again"


def test_a_full_disk_is_the_users_to_mend(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, news = experiment(), []
    folder = folder_of(mine, place.runs_dir)
    folder.create(mine)

    def fill(*_: object) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/cell-x/checkpoint.pt")

    monkeypatch.setattr(working, "run_cell", fill)
    work(list(mine.cells()), folder, place, news.append)
    assert isinstance(news[-1], News)
    assert news[-1].error == (
        "cannot write runs/cell-x/checkpoint.pt: No space left on device; make room or choose another folder"
    )
    failure = folder.failure(one_cell())
    assert failure is not None
    assert failure["ours"] is False
