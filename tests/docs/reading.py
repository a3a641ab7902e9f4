"""The commands that the documentation gives, in the order in which a reader meets them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PROGRAM = "rcekd"
SHELL = ("console", "bash", "sh")


class Block(NamedTuple):
    """A fenced block: its language ("" where it names none), the line it starts on, and what is in it."""

    language: str
    line: int
    text: str


class Command(NamedTuple):
    """A command of a document. `fed` is what is piped into it, `into` the file that its output goes to."""

    document: str
    line: int
    words: tuple[str, ...]
    fed: str | None = None
    into: str | None = None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {shlex.join(self.words)}"


def documents() -> list[Path]:
    """README.md and everything in docs/, relative to the root."""
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(path.relative_to(ROOT) for path in found)


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        yield Block(match[1], text[: match.start()].count("\n") + 2, match[2])


def experiment_files(text: str) -> Iterator[tuple[str, str]]:
    """(name, content) of the blocks of YAML that begin with a comment of a file's name: experiments for `rcekd run`."""
    for block in blocks(text):
        match = re.match(r"# (\S+\.yaml)\n", block.text)
        if block.language == "yaml" and match:
            yield match[1], block.text


def commands(name: str, text: str) -> Iterator[Command]:
    """Of blocks in a shell's language every line (in `console` those after $); of unnamed ones the lines of ours."""
    for block in blocks(text):
        if block.language not in ("", *SHELL):
            continue
        for line, words in _lines(block):
            fed, words = _feed(words)
            own = words[:1] == [PROGRAM]
            if own or block.language:
                into = words[words.index(">") + 1] if ">" in words else None
                words = words[: words.index(">")] if into else words
                yield Command(name, line, tuple(words), fed, into)
    yield from _indented(name, text)


def _indented(name: str, text: str) -> Iterator[Command]:
    """Lines of ours in blocks that are set in by four spaces."""
    outside = re.sub(r"^```.*?^```$", lambda match: "\n" * match[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    for number, line in enumerate(outside.splitlines(), start=1):
        if re.match(rf"    (\.venv/bin/)?{PROGRAM} ", line):
            words = shlex.split(line, comments=True)
            yield Command(name, number, (PROGRAM, *words[1:]))


def _lines(block: Block) -> Iterator[tuple[int, list[str]]]:
    """Numbered command lines as words: continued ones joined, comments left out, the program under its plain name."""
    start, held = 0, ""
    for number, line in enumerate(block.text.splitlines()):
        if not held:
            start = number
        held += line.rstrip("\\")
        if line.endswith("\\"):
            continue
        text, held = held.strip(), ""
        if block.language == "console":
            if not text.startswith("$ "):
                continue
            text = text[2:]
        if not text or (not block.language and PROGRAM not in text.split("#")[0]):
            continue
        words = [word.removeprefix(".venv/bin/") for word in shlex.split(text, comments=True)]
        while words and re.match(r"[A-Z_]+=", words[0]):  # a variable for this command alone
            words = words[1:]
        if words:
            yield block.line + start, words


def _feed(words: list[str]) -> tuple[str | None, list[str]]:
    """`echo TEXT | command` as what is fed and the command."""
    if "|" not in words or words[0] != "echo":
        return None, words
    cut = words.index("|")
    return " ".join(words[1:cut]) + "\n", words[cut + 1 :]
