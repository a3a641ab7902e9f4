"""All that rcekd prints: results for programs on stdout; what people read on stderr, or on stdout without --json.

A reader who has gone (`rcekd … | head -1`) ends nothing: what is left is said to nobody.
"""

import codecs
import io
import json
import math
import os
import sys
import time
from typing import IO, Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Table as RichTable
from rich.text import Text

from rcekd.errors import InputError
from rcekd.reports.table import Table
from rcekd.training.checkpoint import Progress as TrainingProgress
from rcekd.training.settings import TrainSettings

WIDE = 160  # columns where no terminal says how many there are
PLAIN_INTERVAL = 10.0  # seconds between progress lines where stderr is no terminal


def prepare_streams() -> None:
    """Let stdout and stderr take every sign, escaped where their encoding has not got it, and a closed stderr all."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Console(Console):
    """One whose reader may go."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        _let_go(self.file)


class Output:
    """Prints for people and for programs, as --json and --quiet ask. InputError for --json where stdout is closed."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json, self.quiet = as_json, quiet
        if as_json:
            _stdout()
        # Names are the user's: no [brackets] or :colons: in them mean anything to us.
        self.people = _Console(stderr=as_json, quiet=quiet, highlight=False, markup=False, emoji=False)
        if not self.people.is_terminal:
            self.people.width = WIDE
        self.progress = _Console(stderr=True, quiet=quiet, highlight=False, markup=False, emoji=False)

    def table(self, table: Table) -> None:
        """A table with its notes; as wide as it needs to be where no terminal limits it."""
        view = RichTable(title=table.title, title_justify="left")
        for number, column in enumerate(table.columns):
            view.add_column(column, justify="right" if number and _is_number(table, number) else "left")
        for row in table.rows:
            view.add_row(*row)
        self.people.print(view)
        for note in table.notes:
            self.people.print(f"  {note}", soft_wrap=True)

    def say(self, text: str) -> None:
        self.people.print(text, soft_wrap=True)

    def document(self, text: str) -> None:
        """What was asked for as a file of its own, on stdout as it is."""
        _write(text)

    def note(self, text: str) -> None:
        """How far the work has come: a line on stderr."""
        self.progress.print(text, soft_wrap=True)

    def result(self, value: dict[str, Any]) -> None:
        """The one JSON object of --json."""
        if self.as_json:
            is_utf8 = codecs.lookup(_stdout().encoding).name == "utf-8"  # JSON is, or plain ASCII
            _write(json.dumps(value, ensure_ascii=not is_utf8, allow_nan=False) + "\n")


def _stdout() -> TextIO:
    """Where results go. InputError where the process was started without it."""
    if sys.stdout is None:
        raise InputError("stdout is closed, and the result goes there; give it a file (> FILE), or leave --json out")
    return sys.stdout


def _write(text: str) -> None:
    """Text on stdout, now."""
    try:
        _stdout().write(text)
        _stdout().flush()
    except BrokenPipeError:
        _let_go(_stdout())


def _let_go(stream: IO[str]) -> None:
    """Send what is still to come, and what waits in the stream's buffer, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _is_number(table: Table, column: int) -> bool:
    """Whether a column's cells begin with a digit, and so read best to the right."""
    return all(row[column][:1].isdigit() or row[column][:1] in "-−" for row in table.rows)


def print_error(message: str) -> None:
    """One line on stderr."""
    try:
        sys.stderr.write(f"rcekd: {' '.join(message.split())}\n")
    except OSError:  # nobody can be told; the exit code still says it
        _let_go(sys.stderr)


class _RateColumn(ProgressColumn):
    """Seconds per epoch and the time until training can stop."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("rate", ""))


class TrainingView:
    """Shows a training run: a live bar on a terminal, a line now and then elsewhere."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._bar: Progress | None = None
        self._row: Any = None
        self._steps = self._step = 0
        self._title = ""
        self._settings = TrainSettings()
        self._printed_at = 0.0

    def begin(self, title: str, settings: TrainSettings, progress: TrainingProgress, steps: int) -> None:
        self._title, self._settings, self._steps, self._step = title, settings, steps, 0
        self._printed_at = time.monotonic()
        if progress.epochs:
            self._output.progress.print(f"{title}: going on after epoch {progress.epochs}", soft_wrap=True)
        if self._output.progress.is_terminal and not self._output.quiet:
            text = TextColumn("{task.description}", markup=False)
            self._bar = Progress(
                text, BarColumn(), MofNCompleteColumn(), _RateColumn(), console=self._output.progress, transient=True
            )
            self._bar.start()
            self._row = self._bar.add_task(title, total=settings.epochs, completed=progress.epochs)

    def step(self) -> None:
        self._step += 1
        if self._bar is not None and self._step % 16 == 0:
            done = self._bar.tasks[0].completed
            self._bar.update(self._row, completed=int(done) + min(0.99, self._step / self._steps))

    def epoch(self, line: dict[str, Any], progress: TrainingProgress) -> None:
        self._step = 0
        metrics = describe_epoch(line, progress, self._settings)
        if self._bar is not None:
            self._bar.update(self._row, completed=progress.epochs, rate=metrics)
        elif time.monotonic() - self._printed_at >= PLAIN_INTERVAL:
            self._printed_at = time.monotonic()
            self._output.progress.print(f"{self._title}: epoch {progress.epochs}, {metrics}", soft_wrap=True)

    def end(self, progress: TrainingProgress) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        best = progress.best
        kept = ""  # nothing evaluated: data without a validation pair, or stopped before the first time
        if math.isfinite(best.value):
            kept = f", best epoch {best.epoch + 1} with valid {self._settings.watch} {best.value:.4f}"
        self._output.progress.print(
            f"{self._title}: {progress.epochs} epochs in {sum(progress.seconds):.1f} s{kept}", soft_wrap=True
        )


def describe_epoch(line: dict[str, Any], progress: TrainingProgress, settings: TrainSettings) -> str:
    """Running metrics, rate, and when training ends: without any further gain, and by `epochs` at the latest."""
    pieces = [f"loss {line['loss']:.4g}"]
    if "valid" in line:
        pieces.append(f"valid {settings.watch} {line['valid'][settings.watch]:.4f} (best {progress.best.value:.4f})")
    recent = progress.seconds[-10:]
    rate = sum(recent) / len(recent)
    latest = (settings.epochs - progress.epochs) * rate
    earliest = latest
    if settings.patience:
        earliest = min(latest, (settings.patience - progress.best.stale) * settings.eval_every * rate)
    pieces.append(f"{rate:.2f} s/epoch, {_clock(earliest)}–{_clock(latest)} left")
    return ", ".join(pieces)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
