"""`rcekd serve-bench`: what serving a model costs, teacher and students side by side."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from rcekd.commands import options
from rcekd.reports.pictures import check_picture
from rcekd.reports.serving_costs import costs, draw
from rcekd.serving import seen
from rcekd.serving.bench import Asked, measure, measured_on, open_all, with_relatives


def serve_bench(
    run_dirs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="run folders of teachers and students")],
    top: Annotated[int, typer.Option("-k", "--top", min=1, help="length of a list")] = 10,
    requests: Annotated[int, typer.Option("--requests", min=1, help="requests for one user's list")] = 1000,
    batch: Annotated[int, typer.Option("--batch", min=1, help="users in a batch")] = 1024,
    seen_items: options.SeenItems = "all",
    only: Annotated[
        bool, typer.Option("--only", help="only these runs, without a student's teacher and student alone")
    ] = False,
    no_index: Annotated[bool, typer.Option("--no-index", help="measure the exact scan only")] = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="draw quality against cost: .svg, .png or .pdf")] = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Size, memory, latency, throughput and quality, exact and through an index, on one thread and on --threads."""
    del debug
    if plot is not None:
        check_picture(plot)
    options.check_folder_of("--plot", plot)
    env = options.environment(
        data_dir=data_dir,
        runs_dir=run_dirs[0].parent,
        device=options.on_the_cpu("serve-bench", device),
        threads=threads,
        quiet=quiet,
        as_json=as_json,
    )
    counts = tuple(sorted({1, torch.get_num_threads()}))
    asked = Asked(top, requests, batch, threads=counts, seen=seen.check(seen_items), with_index=not no_index)
    models = []
    runs = open_all(run_dirs if only else with_relatives(run_dirs, env.output.note), env.place)
    for run in runs:
        env.output.note(f"measuring {run.label}")
        models.append(measure(run, asked))
    facts = {"top": top, "requests": requests, "batch": batch, "seen": asked.seen, **measured_on()}
    result = {"kind": "serve-bench", "dataset": runs[0].data.name, "models": models, **facts}
    env.output.table(costs(result))
    if plot is not None:
        draw(result, plot)
        env.output.say(f"  picture: {plot}")
    env.output.result(result)
