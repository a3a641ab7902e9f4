"""`rcekd train-teacher`: train a teacher, or find the one these settings have already trained."""

from typing import Annotated

import typer

from rcekd.commands import options
from rcekd.config import Values, resolve
from rcekd.experiments import pipeline
from rcekd.reports.comparison import run_table


def train_teacher(
    dataset: options.Dataset = None,
    teacher: options.Teacher = None,
    student: options.Student = None,
    method: options.Method = None,
    keep_trajectory: Annotated[
        bool, typer.Option("--keep-trajectory", help="keep the teacher at moments of its training too, for hetcomp")
    ] = False,
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
    """Train the teacher that `distill` with the same options would use; --set train.… is short for teacher.train.…."""
    del debug
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
        options.check_resume(given, runs_dir, keep_trajectory=keep_trajectory)
        summary = pipeline.resume(resume, env.place)
    else:
        settings = resolve(
            options.run_layers(
                dataset,
                teacher=teacher,
                student=student,
                method=method,
                config=options.config_file(config),
                assignments=assignments,
                seed=seed,
                alias=_train_is_the_teachers,
            )
        )
        summary = pipeline.train_teacher(settings, env.place, keep_trajectory=keep_trajectory)
    env.output.table(run_table(summary))
    env.output.say(f"  run folder: {summary['run_dir']}")
    env.output.result(summary)


def _train_is_the_teachers(values: Values) -> Values:
    """Only the teacher is trained here, so `train.epochs=3` means its epochs."""
    if "train" not in values:
        return values
    rest = {key: value for key, value in values.items() if key != "train"}
    teacher = dict(rest.get("teacher", {}))
    teacher.setdefault("train", values["train"])
    return {**rest, "teacher": teacher}
