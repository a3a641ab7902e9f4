"""`rcekd run`: a whole experiment from one file, with any number of interruptions and processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any

import torch
import typer

from rcekd.commands import options
from rcekd.commands.console import Output
from rcekd.errors import INTERRUPTED, InputError, InterruptedRun
from rcekd.experiments.cells import CellFolder
from rcekd.experiments.choosing import chosen_cells
from rcekd.experiments.forecast import forecast
from rcekd.experiments.jobs import describe, side_by_side, was_stopped
from rcekd.experiments.plan import Cell, read_experiment, ready_titles
from rcekd.experiments.working import folder_of, outdated, work
from rcekd.reports.progress import Progress, ready_table, status, status_table
from rcekd.training.loop import Silent


def run(
    experiment: Annotated[
        str | None,
        typer.Argument(
            help="experiment file, or the name of a ready one; none: list them", autocompletion=options.complete_ready
        ),
    ] = None,
    scale: Annotated[str | None, typer.Option("--scale", help="a scale of the file's own, e.g. small")] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="LABEL", help="only cells with this label; repeatable (two methods: either)"),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="processes that share the cells and the threads")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would run and how long, and stop")] = False,
    is_part: Annotated[
        bool, typer.Option("--is-part", hidden=True, help="one of the processes of --jobs: who started it says the end")
    ] = False,
    data_dir: options.DataDir = None,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Run every cell of an experiment that is not done; the same command again goes on. Without one: list the ready."""
    del debug
    env = options.environment(
        data_dir=data_dir, runs_dir=runs_dir, device=device, threads=threads, quiet=quiet, as_json=as_json
    )
    if experiment is None:
        _list_ready(env.output)
        return
    chosen = read_experiment(experiment, scale)
    cells, kin = chosen_cells(chosen, only or []), list(chosen.cells())
    folder = folder_of(chosen, runs_dir)
    if changed := outdated(cells, folder, env.place):
        env.output.note(f"{len(changed)} cells were done with data that has changed since: they are run again")
    if dry_run:
        _tell_status(env.output, cells, folder, kin, jobs)
        return
    folder.create(chosen)
    for cell in changed:
        folder.forget(cell)
    view = Progress(cells, folder, kin, env.output.note)
    codes = [0]
    with _telling_of_a_stop(cells, folder, is_part=is_part):
        if jobs == 1:
            work(cells, folder, replace(env.place, observer=Silent()), view.told)
        else:
            places = ["--runs-dir", str(runs_dir), "--device", device]
            places += ["--threads", str(max(1, (threads or torch.get_num_threads()) // jobs))]
            places += ["--data-dir", str(data_dir)] if data_dir is not None else []
            chosen_words = _words_of_choice(experiment, scale, only or [])
            codes = side_by_side(["run", *chosen_words, *places, "--is-part", "--quiet"], jobs, view.look)
    if is_part:
        return
    now = _tell_status(env.output, cells, folder, kin, jobs)
    _check_whole(now["pending"], codes)
    _complain(now["failed"])


def _list_ready(output: Output) -> None:
    output.table(ready_table(found := ready_titles()))
    output.result({"ready": [dict(zip(("name", "title", "scales"), entry, strict=True)) for entry in found]})


def _tell_status(output: Output, cells: list[Cell], folder: CellFolder, kin: list[Cell], jobs: int) -> dict[str, Any]:
    """Print how far the cells are, and return it."""
    left = forecast(cells, folder, kin)
    output.table(status_table(cells, folder, left, jobs, kin))
    output.result(now := status(cells, folder, left))
    return now


def _words_of_choice(experiment: str, scale: str | None, only: list[str]) -> list[str]:
    """The part of the command line that chooses the cells."""
    words = [experiment, *(word for label in only for word in ("--only", label))]
    return words if scale is None else [*words, "--scale", scale]


def _check_whole(pending: int, codes: list[int]) -> None:
    """An error where cells are left because processes have ended before their time."""
    if not pending:
        return
    if any(map(was_stopped, codes)):
        raise _stopped(pending)
    left = f"{pending} cells are left to do"
    ends = ", ".join(dict.fromkeys(describe(code) for code in codes if code != 0)) or "with code 0"
    text = f"{left}: of {len(codes)} processes some ended {ends}; the same command goes on"
    # What a process has refused is the user's to mend, and it has said so.
    raise InputError(text) if set(codes) == {2} else RuntimeError(text)


@contextmanager
def _telling_of_a_stop(cells: list[Cell], folder: CellFolder, *, is_part: bool) -> Iterator[None]:
    """Say how to go on where the user stops the work; a part of it leaves that to the process that started it."""
    try:
        yield
    except (KeyboardInterrupt, InterruptedRun) as stop:
        if is_part:
            raise SystemExit(INTERRUPTED) from stop
        raise _stopped(sum(not folder.is_done(cell) for cell in cells)) from stop


def _stopped(left: int) -> InterruptedRun:
    return InterruptedRun(f"stopped, {left} cells are left to do; what was saved is kept, and the same command goes on")


def _complain(failed: list[dict[str, object]]) -> None:
    """InputError or RuntimeError where cells failed: the exit code says so, and whose fault it was."""
    if failed:
        first = failed[0]
        text = (
            f"{len(failed)} cells failed, the first {first['labels']}: {first['error']}; the same command tries again"
        )
        raise RuntimeError(text) if any(entry["ours"] for entry in failed) else InputError(text)
