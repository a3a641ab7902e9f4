"""`rcekd export`: a finished run as a folder for production."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.experiments.opening import open_run
from rcekd.reports.exports import export_table
from rcekd.serving import seen
from rcekd.serving.export import Wanted
from rcekd.serving.export import export as write
from rcekd.training.run_folder import named


def export(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="run folder of a teacher or student", callback=named)],
    to: Annotated[Path, typer.Option("--to", help="folder to write; made new, whole or not at all")],
    seen_items: options.SeenItems = "all",
    no_onnx: Annotated[bool, typer.Option("--no-onnx", help="leave the ONNX models out")] = False,
    no_index: Annotated[bool, typer.Option("--no-index", help="leave the usearch index out")] = False,
    force: Annotated[bool, typer.Option("--force", help="replace the export that the folder holds")] = False,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Export a model: factors, ids, ONNX, an index, a model card, and an example that scores with numpy alone."""
    del debug
    env = options.environment(
        data_dir=data_dir,
        runs_dir=run_dir.parent,
        device=options.on_the_cpu("export", device),
        threads=threads,
        quiet=quiet,
        as_json=as_json,
    )
    wanted = Wanted(seen.check(seen_items), with_onnx=not no_onnx, with_index=not no_index)
    card = write(open_run(run_dir, env.place), to, wanted, force=force)
    env.output.table(export_table(card, str(to)))
    env.output.result({**card, "to": str(to)})
