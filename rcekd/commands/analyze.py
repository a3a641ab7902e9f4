"""`rcekd analyze`: the theory of RCE-KD checked on a student, moment by moment."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.experiments.analysing import FILE, USERS, analyse
from rcekd.reports.analysis import bounds_table, progress_table
from rcekd.training.run_folder import named


def analyze(
    run_dir: Annotated[Path, typer.Argument(help="run folder of a student", callback=named)],
    users: Annotated[
        int, typer.Option("--users", min=1, help="analyse so many users, drawn by the run's seed")
    ] = USERS,
    teacher: Annotated[
        list[Path] | None,
        typer.Option("--teacher", help="a student alone: the run folder of a teacher, or several"),
    ] = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Check at every kept moment whether the run's item sets are closed and whether cross-entropy bounds NDCG there."""
    del debug
    env = options.environment(
        data_dir=data_dir,
        runs_dir=run_dir.parent,
        device=options.on_the_cpu("analyze", device),
        threads=threads,
        quiet=quiet,
        as_json=as_json,
    )
    found = analyse(run_dir, env.place, users=users, teacher_dirs=teacher or ())
    env.output.table(progress_table(found))
    env.output.table(bounds_table(found))
    env.output.say(f"  written: {run_dir / FILE}")
    env.output.result(found)
