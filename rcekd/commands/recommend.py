"""`rcekd recommend`: the best items of listed users, of all users, or for histories of users nobody has met."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rcekd.commands import options
from rcekd.errors import InputError
from rcekd.experiments.opening import open_run
from rcekd.reports.recommendations import as_objects, recommendations
from rcekd.serving import asking, seen, shards
from rcekd.serving.recommend import Answer, Recommender
from rcekd.serving.titles import read_titles
from rcekd.training.run_folder import named


def recommend(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="run folder of a teacher or student", callback=named)],
    users: Annotated[str | None, typer.Option("--users", metavar="ID,ID…", help="these users")] = None,
    users_file: Annotated[Path | None, typer.Option("--users-file", help="the users in a file, an id a line")] = None,
    every: Annotated[bool, typer.Option("--all", help="all users, as Parquet shards in the folder --to")] = False,
    history: Annotated[
        Path | None, typer.Option("--history", help="new users: the items each has met, a user a line; - is stdin")
    ] = None,
    history_times: Annotated[
        Path | None, typer.Option("--history-times", help="when: a number for each item of --history, line by line")
    ] = None,
    top: Annotated[int, typer.Option("-k", "--top", min=1, help="length of a list")] = 10,
    to: Annotated[Path | None, typer.Option("--to", help="FILE.parquet, or with --all a folder")] = None,
    seen_items: options.SeenItems = "all",
    keep_seen: Annotated[bool, typer.Option("--keep-seen", help="the same as --seen none")] = False,
    titles: Annotated[
        Path | None, typer.Option("--titles", help="table with item ids and titles: CSV, Parquet, RecBole .item")
    ] = None,
    skip_unknown: Annotated[bool, typer.Option("--skip-unknown", help="pass over ids that the data lacks")] = False,
    shard_users: Annotated[int | None, typer.Option("--shard-users", min=1, help="users per shard of --all")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace other lists in the folder --to")] = False,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """The best items of listed users, all users, or new users; items a user has met are left out."""
    del debug
    sources = [users is not None, users_file is not None, every, history is not None]
    if sum(sources) != 1:
        raise InputError(
            "say whom the lists are for, once: --users ID,ID…, --users-file FILE, --all, or --history FILE|-"
        )
    if history_times is not None and history is None:
        raise InputError("--history-times says when the items of --history were met; give --history too")
    env = options.environment(
        data_dir=data_dir,
        runs_dir=run_dir.parent,
        device=options.on_the_cpu("recommend", device),
        threads=threads,
        quiet=quiet,
        as_json=as_json,
    )
    run = open_run(run_dir, env.place)
    chosen = "none" if keep_seen else seen.check(seen_items)
    recommender = Recommender(run, top, chosen, read_titles(titles) if titles else None)
    _tell_of_titles(recommender, titles, env)
    result: dict[str, Any] = {"kind": "recommend", "run_dir": str(run_dir), "model": run.label, "top": top}
    result |= {"seen": chosen}
    if every:
        result |= _all(recommender, to, shard_users, force, env)
    else:
        answer = _some(recommender, users, users_file, (history, history_times), skip_unknown, env)
        result |= _show(answer, recommender, to, env)
    env.output.result(result)


def _tell_of_titles(recommender: Recommender, titles: Path | None, env: options.Environment) -> None:
    if recommender.untitled:
        known = recommender.items.original[0]
        env.output.note(
            f"{titles}: no id in it is an item of this model, so there are no titles; the data's are like {known!r}"
        )


def _some(
    recommender: Recommender,
    users: str | None,
    users_file: Path | None,
    histories: tuple[Path | None, Path | None],
    skip: bool,
    env: options.Environment,
) -> Answer:
    """The lists of a few users. histories: the file of their items, and that of their times."""
    history, history_times = histories
    if history is not None:
        reads_times = recommender.run.reads_histories and recommender.run.model.reads_times
        if history_times is not None and not reads_times:
            raise InputError(
                f"--history-times: {recommender.run.label} reads no times, only an HSTU that learnt with time_bias "
                "does; leave the option out"
            )
        stdin = str(history) == "-"
        lines = asking.read_histories(sys.stdin.buffer if stdin else history)
        times = None if history_times is None else asking.read_times(history_times, lines)
        if times is None and reads_times:
            env.output.note(
                "histories are read without times here, and this model learnt with them: its lists may be worse; "
                "--history-times FILE gives them"
            )
        where = "stdin" if stdin else str(history)
        return recommender.for_histories(lines, where=where, skip_unknown=skip, times=times)
    if users_file is not None:
        return recommender.for_users(asking.read_ids(users_file), where=str(users_file), skip_unknown=skip)
    return recommender.for_users(asking.split_ids(users or ""), where="--users", skip_unknown=skip)


def _show(answer: Answer, recommender: Recommender, to: Path | None, env: options.Environment) -> dict[str, Any]:
    """Write the lists where --to says, else print them."""
    lists, count = answer.lists, len(answer.users)
    if to is not None:
        if to.suffix != ".parquet":
            raise InputError(f"--to {to}: expected a name that ends in .parquet (a folder is for --all)")
        shards.write_frame(to, lists)
        env.output.say(f"{to}: {lists.height:,} rows for {count:,} users")
        return {"users": count, "rows": lists.height, "to": str(to)}
    notes = [f"by {recommender.run.label}; seen items left out: {recommender.seen}"]
    empty = count - lists["user"].n_unique()
    if empty:
        notes.append(f"nothing is left to list for {empty:,} of {count:,} users")
    env.output.table(recommendations(lists, f"{recommender.run.data.name}, top {recommender.k}", notes))
    return {"users": count, "recommendations": as_objects(lists, answer.users)}


def _all(
    recommender: Recommender, to: Path | None, shard_users: int | None, force: bool, env: options.Environment
) -> dict[str, Any]:
    """Write the shards of all users, with a line for each."""
    if to is None or to.suffix == ".parquet":
        raise InputError("--all writes a folder of Parquet shards: give --to DIR")
    rows = kept = count = 0
    for written in recommender.for_all(to, shard_users, force=force):
        rows, kept, count = rows + written.rows, kept + written.kept, count + 1
        word = "kept" if written.kept else "written"
        env.output.note(f"{to / written.shard.name}: {word}, users up to {written.shard.stop:,}")
    users = recommender.run.data.n_users
    env.output.say(f"{to}: {rows:,} rows for {users:,} users in {count} shards, {kept} of them from before")
    return {"users": users, "rows": rows, "shards": count, "kept": kept, "to": str(to)}
