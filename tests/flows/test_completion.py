"""Completion in the shell: of commands, options, and the names that options take."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from rcekd.commands.application import app

# What a user's start-up file does, and then what bash does at a tab.
AT_A_TAB = """
eval "$(_RCEKD_COMPLETE=source_bash rcekd)"
COMP_WORDS=(rcekd distill --method rc) COMP_CWORD=3
_rcekd_completion rcekd
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes_a_method(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = subprocess.run(
        [bash, "--norc", "-c", AT_A_TAB],
        env={**os.environ, "PATH": path, "RCEKD_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    assert found.stdout.split() == ["rcekd"]


@pytest.fixture
def complete(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """What a tab after these words offers, asked for as bash's function asks."""

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        monkeypatch.setenv("_RCEKD_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        command: Any = typer.main.get_command(app)
        with pytest.raises(SystemExit):
            command.main(args=[], prog_name="rcekd", complete_var="_RCEKD_COMPLETE")
        return capsys.readouterr().out.split()

    return ask


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("rcekd dist", ["distill"]),
        ("rcekd config sh", ["show"]),
        ("rcekd distill --dataset ml", ["ml-100k", "ml-1m"]),
        ("rcekd distill --teacher m", ["mf"]),
        ("rcekd distill --student m", ["mf"]),
        ("rcekd distill --method rcekd+c", ["rcekd+ce"]),
        ("rcekd train-teacher --log-to t", ["tensorboard"]),
        ("rcekd methods no", ["none"]),
        ("rcekd distill --with-s", ["--with-scratch"]),
    ],
)
def test_what_is_offered(complete: Callable[[str], list[str]], line: str, offered: list[str]) -> None:
    found = complete(line)
    assert set(found) >= set(offered)
    assert all(word.startswith(line.split(" ")[-1]) for word in found)


def test_it_can_be_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`rcekd --install-completion bash` adds the script below the home folder, and a line to .bashrc."""
    from typer.completion import install

    monkeypatch.setenv("HOME", str(tmp_path))
    shell, script = install(shell="bash", prog_name="rcekd", complete_var="_RCEKD_COMPLETE")
    capsys.readouterr()
    assert shell == "bash"
    assert "_RCEKD_COMPLETE=complete_bash" in script.read_text()
    assert str(script) in (tmp_path / ".bashrc").read_text()
