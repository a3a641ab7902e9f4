"""Who lists are asked for: ids on a command line or in a file, and histories on a stream."""

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from rcekd.errors import InputError


def split_ids(text: str) -> list[str]:
    """`1,7,12` as three ids, each once; spaces around commas do not count. InputError where there are none."""
    found = _each_once(text.split(","))
    if not found:
        raise InputError(f"--users {text[:40]!r}: no ids in it; write them with commas between, e.g. --users 1,7,12")
    return found


def read_ids(path: Path) -> list[str]:
    """One id a line, each once, empty lines passed over. InputError for a file that holds none or cannot be read."""
    try:
        found = _each_once(_lines(path.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise InputError(f"{path}: cannot read this list of ids ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; write one id a line") from error
    if not found:
        raise InputError(f"{path}: no ids in it; write one a line")
    return found


def _lines(text: str) -> list[str]:
    """The lines with their ends. Ids may hold what str.splitlines takes for ends as well, U+2028 or U+0085."""
    return list(io.StringIO(text, newline=None))


def _each_once(parts: Iterable[str]) -> list[str]:
    """What is written in the parts, in order, without repeats: a user has one list."""
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))


def parse_histories(lines: Iterable[str], where: str) -> list[list[str]]:
    """One user a line; between the item ids of a line stand tabs, else commas, else spaces.

    InputError names a line without ids, since a list could not be told to be its own.
    """
    histories = []
    for number, line in enumerate(lines, start=1):
        separator = next((mark for mark in ("\t", ",") if mark in line), None)
        ids = [part.strip() for part in line.split(separator) if part.strip()]
        if not ids:
            raise InputError(f"{where}, line {number}: no items; write those that a user has met, a user a line")
        histories.append(ids)
    if not histories:
        raise InputError(f"{where}: no histories; write the items that a user has met, a user a line")
    return histories


def read_times(path: Path, lines: Sequence[Sequence[str]]) -> list[list[float]]:
    """The time of every item of these histories, from a file that has a number where they have an item.

    InputError names the line that has more or fewer of them, or something else than a finite number.
    """
    written = read_histories(path)
    if len(written) != len(lines):
        raise InputError(f"{path}: {len(written)} lines of times for {len(lines)} histories; write a line for each")
    found = []
    for number, (times, items) in enumerate(zip(written, lines, strict=True), start=1):
        if len(times) != len(items):
            raise InputError(f"{path}, line {number}: {len(times)} times for {len(items)} items; write one for each")
        found.append([_time(text, f"{path}, line {number}") for text in times])
    return found


def _time(text: str, where: str) -> float:
    try:
        time = float(text)
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise InputError(f"{where}: {text[:40]!r} is not a time; write numbers in the unit of the data's own times")
    return time


def read_histories(source: Path | BinaryIO) -> list[list[str]]:
    """`parse_histories` of a file, or of what is written to standard input, in UTF-8 whatever the locale."""
    where = str(source) if isinstance(source, Path) else "stdin"
    try:
        written = source.read_bytes() if isinstance(source, Path) else source.read()
        lines = _lines(written.decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{where}: cannot read these histories ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: not UTF-8 text") from error
    return parse_histories(lines, where)
