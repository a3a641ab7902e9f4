"""`rcekd import-teacher`: a model of any library as teacher, from factor tables, a checkpoint or top-N lists."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.config import resolve
from rcekd.errors import InputError
from rcekd.experiments.imported import import_teacher as import_into
from rcekd.reports.imported import overview
from rcekd.teachers.importing.build import Temperature
from rcekd.teachers.importing.request import FORMATS, ImportRequest, format_named

Files = Annotated[list[Path], typer.Argument(help="one file, or that of the users and that of the items")]


def import_teacher(
    files: Files,
    dataset: options.Dataset = None,
    format_name: Annotated[str | None, typer.Option("--format", help=f"{', '.join(FORMATS)} [by the name]")] = None,
    user_ids: Annotated[Path | None, typer.Option("--user-ids", help="file of each user row's original id")] = None,
    item_ids: Annotated[Path | None, typer.Option("--item-ids", help="file of each item row's original id")] = None,
    user_key: Annotated[str | None, typer.Option("--user-key", help="name of the users' table in the file")] = None,
    item_key: Annotated[str | None, typer.Option("--item-key", help="name of the items' table in the file")] = None,
    item_bias: Annotated[str | None, typer.Option("--item-bias", help=".npy file, or a vector's name in it")] = None,
    user_column: Annotated[str | None, typer.Option("--user-column", help="column of user ids in a table")] = None,
    item_column: Annotated[str | None, typer.Option("--item-column", help="column of item ids in a table")] = None,
    score_column: Annotated[str | None, typer.Option("--score-column", help="column of scores in a list")] = None,
    rank_column: Annotated[str | None, typer.Option("--rank-column", help="column of ranks in a list")] = None,
    temperature: Annotated[
        str, typer.Option("--temperature", help="divide scores by: auto (validation proposes), none, or a number")
    ] = "auto",
    max_missing: Annotated[
        float, typer.Option("--max-missing", min=0.0, max=1.0, help="share of users or items that may lack a vector")
    ] = 0.05,
    name: Annotated[str | None, typer.Option("--name", help="part of the run folder's name [the file's]")] = None,
    assignments: options.Set = None,
    config: options.Config = None,
    data_dir: options.DataDir = None,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Turn a model made elsewhere into a teacher: a run folder that `distill --teacher` takes."""
    del debug
    env = options.environment(
        data_dir=data_dir, runs_dir=runs_dir, device="cpu", threads=threads, quiet=quiet, as_json=as_json
    )
    options.check_rooms(assignments, ("data", "eval"), "import-teacher")
    settings = resolve(
        options.run_layers(dataset, config=options.config_file(config), assignments=assignments, seed=None)
    )
    request = ImportRequest(
        files=tuple(files),
        format=None if format_name is None else format_named(format_name),
        user_key=user_key,
        item_key=item_key,
        item_bias=item_bias,
        user_ids=user_ids,
        item_ids=item_ids,
        user_column=user_column,
        item_column=item_column,
        score_column=score_column,
        rank_column=rank_column,
    )
    summary = import_into(
        settings, env.place, request, name=name, temperature=_temperature(temperature), max_missing=max_missing
    )
    for table in overview(summary):
        env.output.table(table)
    env.output.say(f"  run folder: {summary['run_dir']}")
    env.output.result(summary)


def _temperature(text: str) -> Temperature:
    if text == "auto":
        return "auto"
    if text == "none":
        return "none"
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise InputError(f"--temperature {text!r}: expected auto, none or a positive number")
    return value
