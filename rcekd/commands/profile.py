"""`rcekd profile`: where one epoch's time and memory go."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.config import resolve
from rcekd.experiments.profiling import Length
from rcekd.experiments.profiling import profile as measure
from rcekd.reports.pictures import check_picture
from rcekd.reports.profiles import draw, profile_table


def profile(
    dataset: options.Dataset = None,
    teacher: options.Teachers = None,
    student: options.Student = None,
    method: options.Method = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="measured epochs")] = 5,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="epochs before the measured ones")] = 1,
    trace: Annotated[Path | None, typer.Option("--trace", help="write torch's trace (chrome://tracing) here")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="draw the epoch into this .svg, .png or .pdf")] = None,
    assignments: options.Set = None,
    config: options.Config = None,
    seed: options.Seed = None,
    data_dir: options.DataDir = None,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Run some epochs of a distillation and say where time and memory go, phase by phase."""
    del debug
    env = options.environment(
        data_dir=data_dir, runs_dir=runs_dir, device=device, threads=threads, quiet=quiet, as_json=as_json
    )
    for option, file in (("--trace", trace), ("--plot", plot)):
        options.check_folder_of(option, file)
    if plot is not None:
        check_picture(plot)
    read = options.config_file(config)
    name, teacher_dirs = options.split_teachers(teacher, read, assignments)
    settings = resolve(
        options.run_layers(
            dataset, teacher=name, student=student, method=method, config=read, assignments=assignments, seed=seed
        )
    )
    found = measure(settings, env.place, Length(warmup, epochs), teacher_dirs=teacher_dirs, trace=trace)
    env.output.table(profile_table(found))
    if plot is not None:
        draw(found, plot)
    env.output.result(found)
