"""Columns of a user's table: found by their usual names, ids as the datasets have them."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from rcekd.datasets.columns import usual_column
from rcekd.datasets.tables import ids
from rcekd.errors import InputError, nearest


def pick(header: Sequence[str], usual: Sequence[str], given: str | None, what: str, option: str, path: Path) -> str:
    """The given column, else the first usual name that the header has. InputError where there is none."""
    if given is not None:
        if given not in header:
            raise InputError(f"{path}: {option} {given!r} is not a column{nearest(given, header)}")
        return given
    found = usual_column(header, usual)
    if found is None:
        shown = ", ".join(repr(name) for name in header[:8])
        raise InputError(f"{path}: no {what} column among {shown}; name it with {option}")
    return found


def id_column(table: pl.DataFrame, name: str, path: Path) -> pl.Series:
    """A column as ids, Int64 or String. InputError with the row where one is missing."""
    found = ids(table[name])
    if found.null_count():
        row = int(found.is_null().arg_true()[0])
        raise InputError(f"{path}, row {row + 1}: {name} is empty or no id; give every row an item id")
    return found
