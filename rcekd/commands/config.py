"""`rcekd config show`: the settings that a command line resolves to, and where each comes from."""

from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.commands.console import Output
from rcekd.config import resolve
from rcekd.errors import InputError
from rcekd.experiments.layers import with_preset
from rcekd.reports.settings import PRESET, settings_object, settings_table, settings_yaml, sourced

app = typer.Typer(help="Settings: what a command line resolves to.", no_args_is_help=True)


@app.callback()
def config() -> None:
    """Settings: what a command line resolves to."""


@app.command("show")
def show(
    dataset: options.Dataset = None,
    teacher: options.Teachers = None,
    student: options.Student = None,
    method: options.Method = None,
    with_scratch: Annotated[bool, typer.Option("--with-scratch", help="no setting: taken, and left aside")] = False,
    assignments: options.Set = None,
    config: options.Config = None,
    seed: options.Seed = None,
    data_dir: options.DataDir = None,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    device: options.Device = "auto",
    threads: options.Threads = None,
    log_to: options.LogTo = None,
    as_yaml: Annotated[
        bool, typer.Option("--yaml", help="print a file for --config that resolves to the same")
    ] = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show every setting that `distill` with the same options would use, with its value and its source."""
    # All taken, so that only a word of the command line has to change.
    del debug, with_scratch, data_dir, runs_dir, device, threads, log_to
    if as_yaml and as_json:
        raise InputError("--yaml and --json both want stdout; give one")
    output = Output(as_json=as_json, quiet=quiet)
    read = options.config_file(config)
    name, teacher_dirs = options.split_teachers(teacher, read, assignments)
    flags = options.flag_values(dataset, teacher=name, student=student, method=method, seed=seed)
    given = options.given_layers(read, assignments)
    preset, *above, last = with_preset(given, flags)
    settings = resolve([preset, *above, last])
    # The last layer says the dataset and the method anew; what counts as given is what the user gave.
    rows = sourced(settings, [(PRESET, preset[1]), *above, ("flag", flags)])
    if as_yaml:
        output.document(settings_yaml(settings, teacher_dirs))
        return
    output.table(settings_table(settings, rows))
    output.result(settings_object(settings, rows))
