"""`rcekd distill`: the whole road from a dataset to a distilled student, with the table that compares them."""

from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.config import resolve
from rcekd.experiments import pipeline
from rcekd.reports.comparison import run_table

KeepTrajectory = Annotated[
    bool, typer.Option("--keep-trajectory", help="keep the student at moments of its training too, for analyze")
]


def distill(
    dataset: options.Dataset = None,
    teacher: options.Teachers = None,
    student: options.Student = None,
    method: options.Method = None,
    with_scratch: Annotated[
        bool, typer.Option("--with-scratch", help="train the student alone too, if it is not there")
    ] = False,
    keep_trajectory: KeepTrajectory = False,
    assignments: options.Set = None,
    config: options.Config = None,
    seed: options.Seed = None,
    data_dir: options.DataDir = None,
    runs_dir: options.RunsDir = options.RUNS_DIR,
    resume: options.Resume = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    log_to: options.LogTo = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Distil a large recommender into a small one; finds or fetches the data, finds or trains the teacher."""
    del debug  # read by the application itself
    env = options.environment(
        data_dir=data_dir,
        runs_dir=runs_dir,
        device=device,
        threads=threads,
        quiet=quiet,
        as_json=as_json,
        log_to=log_to,
    )
    if resume is not None:
        given = (dataset, teacher, student, method, assignments, config, seed)
        options.check_resume(given, runs_dir, with_scratch=with_scratch, keep_trajectory=keep_trajectory)
        summary = pipeline.resume(resume, env.place)
    else:
        read = options.config_file(config)
        asked = {} if read is None or read.asked.get("kind") == "teacher" else read.asked  # a teacher's is its own
        name, teacher_dirs = options.split_teachers(teacher, read, assignments)
        layers = options.run_layers(
            dataset, teacher=name, student=student, method=method, config=read, assignments=assignments, seed=seed
        )
        summary = pipeline.distill(
            resolve(layers),
            env.place,
            with_scratch=with_scratch or bool(asked.get("with_scratch")),
            teacher_dirs=teacher_dirs,
            keep_trajectory=keep_trajectory or bool(asked.get("keep_trajectory")),
        )
    env.output.table(run_table(summary))
    env.output.say(f"  run folder: {summary['run_dir']}")
    env.output.result(summary)
