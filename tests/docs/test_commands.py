"""Every command of the documentation: run, in order, on small data; or at least read with all its options."""

import glob
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer.main

from rcekd.commands.application import app, explain, run
from rcekd.errors import InputError
from tests.conftest import ROOT
from tests.docs.conditions import FOREIGN, WITH_A_RUN, read_only, small, small_experiment
from tests.docs.reading import PROGRAM, Command, blocks, commands, documents, experiment_files

Place = Callable[[], None]
USERS, ITEMS, WIDTH = 40, 60, 8


def all_commands() -> list[Command]:
    return [command for path in documents() for command in commands(str(path), (ROOT / path).read_text())]


def read(words: list[str]) -> None:
    """Read a command line as the application would, without running it. InputError for what it would refuse."""
    group: Any = typer.main.get_command(app)
    context, rest = group.make_context(PROGRAM, list(words)), list(words)
    try:
        while hasattr(group, "resolve_command"):
            _, group, rest = group.resolve_command(context, rest)
            context = group.make_context(group.name, rest, parent=context)
    except Exception as error:
        raise InputError(explain(error)[0]) from error


def settle(words: list[str]) -> None:
    """Read it, and resolve the settings of one that trains."""
    read(words)
    if words[0] in ("distill", "train-teacher") and "--resume" not in words and "*" not in " ".join(words):
        settings = [word for word in words[1:] if word != "--keep-trajectory"]
        assert run(["config", "show", *settings, "--quiet"]) == 0


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder: a table of ratings, a model made elsewhere, an empty folder for raw data."""
    monkeypatch.setenv("RCEKD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("RCEKD_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    write_ratings(Path("ratings.csv"))
    write_model(Path("als.npz"))
    Path("ids.txt").write_text("1\n2\n")
    Path("items.csv").write_text("item,title\n" + "".join(f"{item},Title {item}\n" for item in range(ITEMS)))
    write_films(Path("films.csv"))
    return tmp_path


def write_films(path: Path) -> None:
    """A few words about every item of ratings.csv: its parity, and others."""
    rows = [f'film-{item},"{("even", "odd")[item % 2]} genre{item % 7} studio{item % 11}"' for item in range(ITEMS)]
    path.write_text("\n".join(["item,text", *rows]) + "\n")


def write_ratings(path: Path) -> None:
    """Every user rates the items of the user's own parity, at increasing times."""
    generator = torch.Generator().manual_seed(1)
    rows = ["user,item,rating,timestamp"]
    for user in range(USERS):
        chosen = torch.randperm(ITEMS // 2, generator=generator)[:12]
        rows += [f"u{user},film-{2 * int(item) + user % 2},4,{time}" for time, item in enumerate(chosen)]
    path.write_text("\n".join(rows) + "\n")


def write_model(path: Path) -> None:
    """A model that knows the parity, with an id a row in users.txt and items.txt."""
    generator = np.random.default_rng(1)
    parity_U, parity_I = np.arange(USERS) % 2, np.arange(ITEMS) % 2
    user, item = (generator.normal(0, 0.1, (n, WIDTH)).astype(np.float32) for n in (USERS, ITEMS))
    user[:, 0], item[:, 0] = 2 * parity_U - 1, 2 * parity_I - 1
    np.savez(path, user_factors=user, item_factors=item)
    Path("users.txt").write_text("".join(f"u{user}\n" for user in range(USERS)))
    Path("items.txt").write_text("".join(f"film-{item}\n" for item in range(ITEMS)))


def globbed(words: list[str]) -> list[str]:
    """As a shell fills in * where files match."""
    return [name for word in words for name in (sorted(glob.glob(word)) or [word] if "*" in word else [word])]


@pytest.mark.parametrize("document", [str(path) for path in documents() if "tutorials" not in path.parts])
def test_commands(
    document: str, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if document in WITH_A_RUN:
        assert run(small(["distill", "--dataset", "synthetic", "--quiet"])) == 0
    text = (ROOT / document).read_text()
    for name, content in experiment_files(text):
        (place / name).write_text(small_experiment(content))
    for command in commands(document, text):
        if command.words[0] == "python" and (place / command.words[1]).is_file():
            subprocess.run([sys.executable, *command.words[1:]], check=True, capture_output=True)
            continue
        if command.words[0] != PROGRAM:
            assert command.words[0] in FOREIGN, f"{command}: say in tests/docs/conditions.py why it is not run"
            continue
        words = list(command.words[1:])
        where = f"{document}: {' '.join(command.words)}"
        if read_only(where):
            settle([word.replace("…", "*") for word in words])
            continue
        if command.fed is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(command.fed.encode())))
        capfd.readouterr()
        code = run(globbed(small(words)))
        out, err = capfd.readouterr()
        assert code == 0, f"{command}\n{err}"
        if command.into:
            (place / command.into).write_text(out)


@pytest.mark.parametrize("document", [str(path) for path in documents() if "tutorials" in path.parts])
def test_tutorials(
    document: str, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The Python of a tutorial runs too, where its commands have been given."""
    test_commands(document, place, monkeypatch, capfd)
    for block in blocks((ROOT / document).read_text()):
        if block.language == "python" and "import implicit" not in block.text and "from implicit" not in block.text:
            exec(compile(block.text, f"{document}:{block.line}", "exec"), {})


def test_there_are_commands() -> None:
    """The collector finds them: every command of the application is used somewhere."""
    group: Any = typer.main.get_command(app)
    used = {command.words[1] for command in all_commands() if command.words[0] == PROGRAM and len(command.words) > 1}
    assert used >= set(group.commands)


@pytest.mark.parametrize(
    "words",
    ["distill --dataste ml-100k", "distil", "data infos", "config show --yaml=3", "evaluate", "sweep --trials many"],
)
def test_a_wrong_command_is_seen(words: str) -> None:
    with pytest.raises(InputError):
        read(words.split())


@pytest.mark.usefixtures("place")
def test_a_wrong_setting_is_seen() -> None:
    with pytest.raises(AssertionError):
        settle(["distill", "--dataset", "ml-100k", "--set", "train.epoch=3"])


TEXT = """
```console
$ echo a b | rcekd recommend R --history -   # a comment
some output of rcekd
$ rcekd config show \\
    --yaml > mine.yaml
```
```
.venv/bin/rcekd data list
a table
```
```python
rcekd.distill()
```

    rcekd methods de    # set in
"""


def test_commands_are_found_in_blocks() -> None:
    assert list(commands("doc.md", TEXT)) == [
        Command("doc.md", 3, ("rcekd", "recommend", "R", "--history", "-"), fed="a b\n"),
        Command("doc.md", 5, ("rcekd", "config", "show", "--yaml"), into="mine.yaml"),
        Command("doc.md", 9, ("rcekd", "data", "list")),
        Command("doc.md", 16, ("rcekd", "methods", "de")),
    ]
