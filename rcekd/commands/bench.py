"""`rcekd bench`: seconds per epoch and peak memory of methods, beside the student alone."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.errors import InputError
from rcekd.experiments.benching import Measuring, bench_cells
from rcekd.experiments.benching import bench as measure
from rcekd.experiments.layers import Layer, names_in
from rcekd.experiments.profiling import Length
from rcekd.methods import METHODS, check_name
from rcekd.reports.profiles import bench_line, bench_table


def bench(
    dataset: options.Dataset = None,
    teacher: options.Teacher = None,
    student: options.Student = None,
    method: options.Method = None,
    datasets: Annotated[str | None, typer.Option("--datasets", help="several, by commas")] = None,
    pairs: Annotated[str | None, typer.Option("--pairs", help="several TEACHER-STUDENT, by commas [mf-mf]")] = None,
    methods: Annotated[str | None, typer.Option("--methods", help="several by commas, or all [ce,rcekd]")] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="measured epochs of each")] = 5,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="epochs before the measured ones")] = 1,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="results of an earlier --json, to stand in the same table")
    ] = None,
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
    """Time methods beside the student alone, each in a process of its own (the paper's Tables 2 and 3)."""
    del debug
    env = options.environment(
        data_dir=data_dir, runs_dir=runs_dir, device=device, threads=threads, quiet=quiet, as_json=as_json
    )
    given = _given(config, assignments)
    named = names_in(given, method="ce,rcekd")
    pair = f"{teacher or named.teacher}-{student or named.student}"
    names = list(METHODS) if methods == "all" else _names(methods, method, named.method, "--methods beside --method")
    cells = bench_cells(
        _names(datasets, dataset, named.dataset, "--datasets beside --dataset"),
        _names(pairs, pair if teacher or student else None, pair, "--pairs beside --teacher or --student"),
        [check_name(name) for name in names],
        given,
        {} if seed is None else {"seed": seed},
    )
    words = ["--device", device]
    for option, value in (("--data-dir", data_dir), ("--threads", threads)):
        words += [option, str(value)] if value is not None else []
    how = Measuring(env.place, Length(warmup, epochs), words)
    found = measure(cells, how, lambda entry: env.output.note(bench_line(entry)), compare)
    env.output.table(bench_table(found))
    env.output.result(found)


def _given(config: Path | None, assignments: list[str] | None) -> list[Layer]:
    """The settings of --config and --set. InputError for a file that names its teacher by a folder."""
    read = options.config_file(config)
    if read is not None and read.asked.get("teacher_dirs"):
        raise InputError(f"{config}: teacher_dirs: bench makes a teacher for every pair; leave this key out")
    return options.given_layers(read, assignments)


def _names(several: str | None, one: str | None, default: str, both: str) -> list[str]:
    """What was named by commas, or alone; `both` says how it would be named twice, which is refused."""
    if several is not None and one is not None:
        raise InputError(f"{both}: give one of the two")
    return [one] if one is not None else (default if several is None else several).split(",")
