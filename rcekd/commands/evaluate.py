"""`rcekd evaluate`: judge the model of a finished run again, by the same protocol or another."""

from pathlib import Path
from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.errors import InputError
from rcekd.experiments import pipeline
from rcekd.reports.comparison import single
from rcekd.training.run_folder import named


def evaluate(
    run_dir: Annotated[Path, typer.Argument(help="run folder of a teacher or student", callback=named)],
    assignments: options.Set = None,
    config: options.Config = None,
    data_dir: options.DataDir = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Evaluate a trained model on validation and test; `--set eval.mask=train+valid` changes the protocol."""
    del debug
    env = options.environment(
        data_dir=data_dir, runs_dir=run_dir.parent, device=device, threads=threads, quiet=quiet, as_json=as_json
    )
    overrides = options.given_layers(options.config_file(config), assignments)
    if config is not None:  # a run's config.yaml says much beside the protocol
        name, values = overrides[0]
        if "eval" not in values:
            raise InputError(
                f"{name}: no `eval` in it, the only settings that evaluate takes; e.g. `eval: {{mask: train}}`"
            )
        overrides[0] = (name, {"eval": values["eval"]})
    summary = pipeline.evaluate_run(run_dir, env.place, overrides)
    env.output.table(single(summary, f"{summary['model']} {summary['dim']}"))
    env.output.result(summary)
