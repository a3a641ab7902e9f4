"""How an error becomes one line and an exit code, and the program as a user starts it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rcekd.commands import application
from rcekd.commands.application import explain
from rcekd.errors import DivergedError, InputError, InterruptedRun
from tests.conftest import ROOT

SMALL = {
    "data.synthetic.users": 50,
    "data.synthetic.items": 80,
    "data.synthetic.density": 0.15,
    "teacher.dim": 8,
    "teacher.train.epochs": 1,
}


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (InputError("what, where, remedy"), 2, "what, where, remedy"),
        (DivergedError("the loss"), 2, "the loss"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 2, "cannot write /x/y: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied"), 2, "cannot write a file: Permission denied"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), 2, "cannot write a/b"),
        (OSError(errno.EIO, "Input/output error"), 1, "internal error"),
        (ZeroDivisionError("by\nzero"), 1, "internal error, please report it (ZeroDivisionError: by zero)"),
    ],
)
def test_explain(error: Exception, code: int, says: str) -> None:
    message, found = explain(error)
    assert found == code
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (InterruptedRun("state saved; go on with --resume here"), 130, "go on with --resume here"),
        (RuntimeError("a fault"), 1, "RuntimeError: a fault"),
        (InputError("wrong"), 2, "wrong"),
    ],
)
def test_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, says: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("rcekd.commands.options.run_layers", fail)
    assert application.run(["data", "info", "synthetic"]) == code
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith("rcekd: ")
    assert says in line


def start(tmp_path: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RCEKD_CACHE_DIR": str(tmp_path), **changes}
    return subprocess.run(
        words, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_program(tmp_path: Path) -> None:
    """From a shell: the result on stdout, the exit code."""
    installed = str(Path(sys.executable).with_name("rcekd"))
    done = start(tmp_path, installed, "data", "list", "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["datasets"]) >= 6


def test_the_program_of_a_checkout(tmp_path: Path) -> None:
    """The same, and one line for an error."""
    wrong = start(tmp_path, sys.executable, str(ROOT / "cli.py"), "data", "info", "synthetik")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("rcekd: unknown dataset 'synthetik'")
    assert wrong.stderr.count("\n") == 1


def test_a_locale_of_ascii(tmp_path: Path) -> None:
    """A run made under UTF-8 is read under ASCII too: its summary names the machine as `2 × …`."""
    installed = str(Path(sys.executable).with_name("rcekd"))
    small = [f"--set={key}={value}" for key, value in SMALL.items()]
    words = [installed, "train-teacher", "--dataset=synthetic", "--json", "--threads=1", *small]
    first = start(tmp_path, *words)
    again = start(tmp_path, *words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (again.returncode, json.loads(again.stdout)) == (0, json.loads(first.stdout)), again.stderr


def test_ctrl_c_while_torch_is_loaded_ends_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise KeyboardInterrupt\n")
    command = [sys.executable, "-c", "from rcekd.commands import main; main()", "methods"]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
