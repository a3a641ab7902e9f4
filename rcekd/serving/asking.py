"""Who lists are asked for: ids on a command line or in a file, and histories on a stream."""

from collections.abc import Iterable
from pathlib import Path

from rcekd.errors import InputError


def split_ids(text: str) -> list[str]:
    """`1,7,12` as three ids; spaces around commas do not count."""
    return [part.strip() for part in text.split(",") if part.strip()]


def read_ids(path: Path) -> list[str]:
    """One id a line; empty lines are passed over. InputError for a file that cannot be read or holds none."""
    try:
        found = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(f"{path}: cannot read this list of ids ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; write one id a line") from error
    if not found:
        raise InputError(f"{path}: no ids in it; write one a line")
    return found


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


def read_histories(path: Path) -> list[list[str]]:
    """`parse_histories` of a file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot read these histories ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text") from error
    return parse_histories(lines, str(path))
