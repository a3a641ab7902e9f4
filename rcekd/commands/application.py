"""The application: which commands there are, and how an error becomes one line and an exit code."""

import sys
import traceback

import typer

from rcekd.commands import (
    analyze,
    bench,
    config,
    data,
    distill,
    doctor,
    evaluate,
    export,
    import_teacher,
    methods,
    profile,
    recommend,
    report,
    serve_bench,
    sweep,
    train_teacher,
)
from rcekd.commands import (
    run as run_command,
)
from rcekd.commands.console import prepare_streams, print_error
from rcekd.errors import INTERRUPTED, InterruptedRun, user_message
from rcekd.memory import reuse_freed_memory

app = typer.Typer(
    name="rcekd",
    help="Distil a large recommender into a small one, and prove what was kept and what was saved.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("distill")(distill.distill)
app.command("train-teacher")(train_teacher.train_teacher)
app.command("import-teacher")(import_teacher.import_teacher)
app.command("evaluate")(evaluate.evaluate)
app.command("analyze")(analyze.analyze)
app.command("export")(export.export)
app.command("recommend")(recommend.recommend)
app.command("serve-bench")(serve_bench.serve_bench)
app.command("profile")(profile.profile)
app.command("bench")(bench.bench)
app.command("run")(run_command.run)
app.command("report")(report.report)
app.command("sweep")(sweep.sweep)
app.command("methods")(methods.methods)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(config.app, name="config")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit. `--debug` shows tracebacks."""
    arguments = sys.argv[1:] if arguments is None else arguments
    prepare_streams()
    reuse_freed_memory()
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code. Without any word it shows the help."""
    arguments = arguments or ["--help"]
    try:
        code = app(arguments, standalone_mode=False)
        if code == INTERRUPTED:  # how typer passes KeyboardInterrupt on
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer's end where the reader of its help has gone
            return 0
        raise
    except (KeyboardInterrupt, typer.Abort):
        print_error("interrupted; what was saved is kept: go on with --resume RUN_DIR, or give the same command again")
        return INTERRUPTED
    except InterruptedRun as error:
        print_error(str(error))
        return INTERRUPTED
    except Exception as error:  # every error ends as one line and a code
        if "--debug" in arguments:
            traceback.print_exc()
        message, code = explain(error)
        print_error(message)
        return code


def explain(error: Exception) -> tuple[str, int]:
    """The line and the exit code for an error."""
    if (told := user_message(error)) is not None:
        return told, 2
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's own usage errors
        return f"{error.format_message()} (see rcekd --help)", 2
    detail = " ".join(str(error).split())[:300]
    return f"internal error, please report it ({type(error).__name__}: {detail}); --debug shows where", 1
