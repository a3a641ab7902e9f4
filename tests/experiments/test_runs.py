"""Shared runs: nobody changes what another holds, and a teacher's trajectory is whole or is made again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rcekd.config import RunSettings
from rcekd.experiments import runs
from rcekd.experiments.place import Place
from rcekd.training.loop import Silent
from rcekd.training.run_folder import BusyFolder, RunFolder


class StopsAfter(Silent):
    """Ends a training by an error once it has come so far and its state is saved."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def epoch(self, line: dict[str, Any], progress: Any) -> None:
        del line
        if progress.epochs > self._epochs:
            raise RuntimeError("stopped")


def train_partly(settings: RunSettings, place: Place, *, keep_trajectory: bool) -> RunFolder:
    watched = replace(place, observer=StopsAfter(3))
    with pytest.raises(RuntimeError, match="stopped"):
        runs.teacher(settings, place.data(settings), watched, keep_trajectory=keep_trajectory)
    folder = runs.teacher_folder(settings, place.data(settings), place.runs_dir)
    assert folder.checkpoint_file.is_file()
    return folder


def moments(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder.path / "trajectory").glob("*")}


@pytest.fixture
def whole(settings: RunSettings, place: Place, tmp_path: Path) -> RunFolder:
    """The teacher with its trajectory, trained at one go in another place."""
    elsewhere = replace(place, runs_dir=tmp_path / "elsewhere")
    summary = runs.teacher(settings, place.data(settings), elsewhere, keep_trajectory=True)
    return RunFolder(Path(summary["run_dir"]))


def test_a_run_that_another_process_holds_is_left_as_it_is(settings: RunSettings, place: Place) -> None:
    folder = train_partly(settings, place, keep_trajectory=False)
    before = folder.config_file.read_bytes(), folder.checkpoint_file.read_bytes()
    held = RunFolder(folder.path)
    held.lock()
    try:
        with pytest.raises(BusyFolder):
            runs.teacher(settings, place.data(settings), place, keep_trajectory=True)
    finally:
        held.unlock()
    assert (folder.config_file.read_bytes(), folder.checkpoint_file.read_bytes()) == before


def test_a_trajectory_wanted_half_way_is_kept_from_the_first_epoch(
    settings: RunSettings, place: Place, whole: RunFolder
) -> None:
    folder = train_partly(settings, place, keep_trajectory=False)
    runs.teacher(settings, place.data(settings), place, keep_trajectory=True)
    assert folder.model_file.read_bytes() == whole.model_file.read_bytes()
    assert moments(folder) == moments(whole) != {}


def test_a_trajectory_that_was_begun_is_finished_whoever_goes_on(
    settings: RunSettings, place: Place, whole: RunFolder
) -> None:
    folder = train_partly(settings, place, keep_trajectory=True)
    runs.teacher(settings, place.data(settings), place)
    assert folder.keeps_trajectory()
    assert moments(folder) == moments(whole) != {}
