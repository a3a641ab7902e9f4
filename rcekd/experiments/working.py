"""Working through an experiment: cell by cell, each once, whoever else is at it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from rcekd.config import RunSettings
from rcekd.datasets import CATALOG, Interactions
from rcekd.errors import InputError, InterruptedRun, user_message
from rcekd.evaluation.ranking import mask_of_test, per_user, rank
from rcekd.experiments import analysing, pipeline, runs
from rcekd.experiments.cells import CellFolder
from rcekd.experiments.opening import open_run
from rcekd.experiments.place import Place
from rcekd.experiments.plan import Cell, Experiment
from rcekd.experiments.runs import POLL_SECONDS
from rcekd.experiments.teaching import check_same_data
from rcekd.training.checkpoint import ForeignCheckpoint
from rcekd.training.run_folder import BusyFolder, RunFolder


@dataclass(frozen=True)
class News:
    """What has just happened to a cell."""

    cell: Cell
    state: str
    """begun, waiting (for a run that another process holds), done or failed."""
    seconds: float = 0.0
    error: str | None = None


Tell = Callable[[News], None]


def folder_of(experiment: Experiment, runs_dir: Path) -> CellFolder:
    """Where an experiment lives, beside its runs."""
    return CellFolder(runs_dir / "experiments" / experiment.name)


def outdated(cells: Sequence[Cell], folder: CellFolder, place: Place) -> list[Cell]:
    """The finished cells that were made from files of the user's own which are no longer what they were.

    A cell is known by the paths of its files. Where they cannot be read now, it is trusted.
    """
    read: dict[str, Interactions] = {}
    found = []
    for cell in cells:
        if not folder.is_done(cell) or not _reads_own_files(cell):
            continue
        key = f"{cell.settings.dataset} {cell.settings.data.model_dump_json()}"
        try:
            data = read[key] if key in read else read.setdefault(key, place.data(cell.settings))
        except InputError:
            continue
        if not _is_made_of(folder.summary(cell), data):
            found.append(cell)
    return found


def _reads_own_files(cell: Cell) -> bool:
    return cell.settings.dataset not in CATALOG or bool(cell.settings.data.features)


def _is_made_of(summary: dict[str, Any], data: Interactions) -> bool:
    try:
        check_same_data(summary, data, RunFolder(Path(summary["run_dir"])))
    except InputError:
        return False
    return True


def work(cells: Sequence[Cell], folder: CellFolder, place: Place, tell: Tell) -> None:
    """Run every cell that is not done. Failed cells are kept as such and stop nothing; InterruptedRun does.

    What failed before is tried again; what fails for another process meanwhile is not.
    """
    left = [cell for cell in cells if not folder.is_done(cell)]
    before = {cell.identity: folder.failed_at(cell) for cell in left}
    while left:
        waiting = [cell for cell in left if not _settled(cell, folder, place, tell, before[cell.identity])]
        if waiting and len(waiting) == len(left):  # others are at work on all that is left
            time.sleep(POLL_SECONDS)
        left = waiting


def _settled(cell: Cell, folder: CellFolder, place: Place, tell: Tell, failed_before: int | None) -> bool:
    """Run a cell that is free. False where another process has it, or holds a run that it needs.

    failed_before: when it had failed as the work began; a later failure is another process's, and settles it.
    """
    with folder.claim(cell) as ours:
        if folder.is_done(cell) or folder.failed_at(cell) not in (None, failed_before):
            return True
        return ours and _try(cell, folder, place, tell)


def _try(cell: Cell, folder: CellFolder, place: Place, tell: Tell) -> bool:
    begun = time.monotonic()
    tell(News(cell, "begun"))
    try:
        summary, users = run_cell(cell, place)
    except BusyFolder:
        tell(News(cell, "waiting"))
        return False
    except InterruptedRun:
        raise
    except Exception as error:  # one cell's fault, of whatever kind, is not the others'
        told = user_message(error)
        text = told or f"{type(error).__name__}: {error}"
        folder.fail(cell, text, ours=told is None)
        tell(News(cell, "failed", time.monotonic() - begun, text))
        return True
    folder.finish(cell, summary, users)
    tell(News(cell, "done", time.monotonic() - begun))
    return True


def run_cell(cell: Cell, place: Place) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The summary of a cell's run, made now or found, and its test metrics per user; NaN for those not judged."""
    settings = cell.settings
    if cell.is_teacher:
        summary = _teacher(settings, place)
    elif settings.method.name == "none":
        summary = pipeline.train_alone(settings, place)
    else:
        summary = _distilled(cell, place)
        if cell.keep_trajectory:
            _analysed(Path(summary["run_dir"]), place)
    run = open_run(Path(summary["run_dir"]), place)
    users = per_user(rank(run.test_tables, mask_of_test(run.data, settings.eval)), run.data.test_targets)
    if settings.eval.users == "with-targets":  # who is not averaged over is not to be tested over either
        judged_U = run.data.test_targets.lengths() > 0
        users = {name: value_U.where(judged_U, float("nan")) for name, value_U in users.items()}
    return summary, users


def _teacher(settings: RunSettings, place: Place) -> dict[str, Any]:
    """A teacher's own cell. A new one keeps what a method of its block needs; a finished one is good as it is."""
    there = runs.teacher_folder(settings, place.data(settings), place.runs_dir).is_complete()
    keep = "trajectory" in settings.method.needs() and not there
    return pipeline.train_teacher(settings, place, keep_trajectory=keep)


def _distilled(cell: Cell, place: Place) -> dict[str, Any]:
    """A distillation in a run folder named by its cell, so that a killed one is gone on with."""
    folder = RunFolder(place.runs_dir / f"cell-{cell.identity}")
    if not _is_prepared(folder, cell, place):
        # Another experiment may have the same cell, without its moments: it is trained again, to the same weights.
        _begin(folder, cell, place, unless=lambda: _is_prepared(folder, cell, place))
    try:
        return pipeline.resume(folder.path, place)
    except ForeignCheckpoint:  # a file of the user's own has changed since the cell was begun
        _begin(folder, cell, place, unless=folder.is_complete)
        return pipeline.resume(folder.path, place)


def _begin(folder: RunFolder, cell: Cell, place: Place, unless: Callable[[], bool]) -> None:
    """Prepare a cell's run from its first epoch, unless another process has meanwhile made that needless."""
    folder.hold()
    try:
        if not unless():
            folder.start_again()
            (folder.path / analysing.FILE).unlink(missing_ok=True)
            pipeline.prepare(cell.settings, place, run_dir=folder.path, keep_trajectory=cell.keep_trajectory)
    finally:
        folder.unlock()


def _is_prepared(folder: RunFolder, cell: Cell, place: Place) -> bool:
    """Whether a cell's run can be gone on with, or found: it keeps what the cell asks for, and its data is the same."""
    if not folder.config_file.is_file() or (cell.keep_trajectory and not folder.keeps_trajectory()):
        return False
    if not folder.is_complete() or not _reads_own_files(cell):
        return True
    return _is_made_of(folder.read_summary(), place.data(cell.settings))


def _analysed(run_dir: Path, place: Place) -> None:
    """Write the analysis of a distillation that has kept its moments, unless it is there."""
    if not (run_dir / analysing.FILE).is_file():
        analysing.analyse(run_dir, replace(place, runs_dir=run_dir.parent))
