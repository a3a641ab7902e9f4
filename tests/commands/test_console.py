"""What is printed, and where: one object for programs, text for people, one line for an error."""

import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from rcekd.commands.console import Output, TrainingView, describe_epoch, prepare_streams, print_error
from rcekd.errors import InputError
from rcekd.reports.table import Table
from rcekd.training.checkpoint import Progress
from rcekd.training.early_stopping import BestEpoch
from rcekd.training.settings import TrainSettings

TABLE = Table("a title", ("", "number"), [("row [with] brackets", "1.5")], ["a note [kept] as it is"])


@pytest.mark.parametrize(("as_json", "quiet"), [(False, False), (True, False), (False, True), (True, True)])
def test_where_things_go(capsys: pytest.CaptureFixture[str], as_json: bool, quiet: bool) -> None:
    output = Output(as_json=as_json, quiet=quiet)
    output.table(TABLE)
    output.say("a [line]")
    output.result({"é": 1})
    out, err = capsys.readouterr()
    assert (out == '{"é": 1}\n') if as_json else ("{" not in out)
    people = err if as_json else out
    expected = ["a title", "number", "1.5", "a [line]", "row [with] brackets", "a note [kept] as it is"]
    assert all((text in people) != quiet for text in expected)
    if not as_json:
        assert err == ""


def test_a_result_holds_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Output(as_json=True, quiet=False).result({"a": float("nan")})
    assert capsys.readouterr().out == ""


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("first\n  second\tthird")
    assert capsys.readouterr().err == "rcekd: first second third\n"


@pytest.fixture
def unread() -> Iterator[TextIO]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stream:
        yield stream


@pytest.mark.parametrize("as_json", [False, True])
def test_a_reader_who_has_gone_ends_nothing(unread: TextIO, monkeypatch: pytest.MonkeyPatch, as_json: bool) -> None:
    monkeypatch.setattr(sys, "stdout", unread)
    monkeypatch.setattr(sys, "stderr", unread)
    output = Output(as_json=as_json, quiet=False)
    for _ in range(2):
        output.table(TABLE)
        output.note("how far the work has come")
        output.result({"a": 1})
        output.document("text")
        print_error("what is wrong")


def test_a_closed_stdout_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    Output(as_json=False, quiet=False).table(TABLE)
    with pytest.raises(InputError, match="stdout is closed"):
        Output(as_json=True, quiet=False)


def test_a_closed_stderr_hears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    prepare_streams()
    with sys.stderr:
        print_error("what is wrong")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_encoding_without_our_signs(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """People get an escape for what it has not got; JSON is ASCII where it cannot be UTF-8."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    prepare_streams()
    Output(as_json=False, quiet=False).say("2 × a → b")
    Output(as_json=True, quiet=False).result({"×": 1})
    sys.stdout.flush()
    said = "2 × a → b\n".encode(encoding, "backslashreplace")
    assert written.getvalue() == said + ('{"×": 1}\n'.encode() if encoding == "utf-8" else b'{"\\u00d7": 1}\n')


def make_progress(epochs: int, stale: int) -> Progress:
    return Progress(epochs, [2.0] * epochs, best=BestEpoch(epochs - stale - 1, 0.25, stale))


@pytest.mark.parametrize(
    ("epochs", "stale", "patience", "left"),
    [(10, 4, 30, "0:52–3:00"), (10, 0, 0, "3:00–3:00"), (95, 0, 30, "0:10–0:10"), (100, 5, 30, "0:00–0:00")],
)
def test_time_left(epochs: int, stale: int, patience: int, left: str) -> None:
    """At 2 s an epoch and 100 epochs at most: until patience runs out, to the last epoch."""
    settings = TrainSettings(epochs=100, patience=patience)
    line = {"loss": 0.5, "valid": {"ndcg@10": 0.125}}
    text = describe_epoch(line, make_progress(epochs, stale), settings)
    assert text == f"loss 0.5, valid ndcg@10 0.1250 (best 0.2500), 2.00 s/epoch, {left} left"


def test_an_epoch_without_evaluation_says_none() -> None:
    text = describe_epoch({"loss": 0.5}, make_progress(3, 0), TrainSettings())
    assert text.startswith("loss 0.5, 2.00 s/epoch, ")


def test_hours() -> None:
    progress = Progress(1, [100.0], best=BestEpoch(0, 0.5, 0))
    assert "50:00–2:45:00 left" in describe_epoch({"loss": 1.0}, progress, TrainSettings(epochs=100))


def test_a_training_run_off_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line now and then, and one at the end; all on stderr."""
    clock = iter([0.0, 5.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr("rcekd.commands.console.time.monotonic", lambda: next(clock))
    view = TrainingView(Output(as_json=True, quiet=False))
    view.begin("the title", TrainSettings(), Progress(), 4)
    for epoch in (1, 2, 3):
        view.step()
        view.epoch({"loss": 0.5}, make_progress(epoch, 0))
    view.end(make_progress(3, 1))
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 2
    assert lines[0].startswith("the title: epoch 2, loss 0.5, 2.00 s/epoch")
    assert lines[1] == "the title: 3 epochs in 6.0 s, best epoch 2 with valid ndcg@10 0.2500"


def test_a_training_run_that_evaluated_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    view = TrainingView(Output(as_json=True, quiet=False))
    view.begin("the title", TrainSettings(), Progress(), 4)
    view.end(Progress(3, [2.0] * 3, best=BestEpoch(2)))
    assert capsys.readouterr().err == "the title: 3 epochs in 6.0 s\n"
