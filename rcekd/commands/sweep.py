"""`rcekd sweep`: tune a method's settings on validation."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.config import resolve
from rcekd.experiments.spaces import given_space, own_space
from rcekd.experiments.sweep import Sweep, SweepTask
from rcekd.reports.sweeps import describe_trial, trials_table


def sweep(
    dataset: options.Dataset = None,
    teacher: options.Teachers = None,
    student: options.Student = None,
    method: options.Method = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="trials of the whole study")] = 20,
    space: Annotated[
        Path | None, typer.Option("--space", help="YAML file of what to search [the method's own space]")
    ] = None,
    no_prune: Annotated[bool, typer.Option("--no-prune", help="let every trial run to its end")] = False,
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
    """Search a method's settings on validation; the same command again goes on, also from several shells at once."""
    del debug
    env = options.environment(
        data_dir=data_dir, runs_dir=runs_dir, device=device, threads=threads, quiet=quiet, as_json=as_json
    )
    read = options.config_file(config)
    name, teacher_dirs = options.split_teachers(teacher, read, assignments)
    layers = options.run_layers(
        dataset, teacher=name, student=student, method=method, config=read, assignments=assignments, seed=seed
    )
    chosen = given_space(space) if space is not None else own_space(resolve(layers).method.name)
    task = SweepTask(
        tuple(layers), chosen, trials, prune=not no_prune, teacher_dirs=tuple(teacher_dirs), space_file=space
    )
    study = Sweep(task, env.place)
    env.output.say(f"sweep folder: {study.folder}")
    found = study.run(lambda trial: env.output.say(describe_trial(trial, study.watch)))
    env.output.table(trials_table(found))
    env.output.result(found)
