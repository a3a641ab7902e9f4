"""Reading a user's tables and ids: columns by their usual names, ids as the datasets have them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from rcekd.datasets.binary import read_array
from rcekd.datasets.columns import plain
from rcekd.datasets.formats import refuse_empty
from rcekd.datasets.tables import ids
from rcekd.errors import InputError, nearest


def pick(header: Sequence[str], usual: Sequence[str], given: str | None, what: str, option: str, path: Path) -> str:
    """The given column, else the first usual name that the header has. InputError where there is none."""
    if given is not None:
        if given not in header:
            raise InputError(f"{path}: {option} {given!r} is not a column{nearest(given, header)}")
        return given
    by_plain = {plain(name): name for name in reversed(header)}
    found = next((by_plain[name] for name in usual if name in by_plain), None)
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


def read_ids(path: Path) -> pl.Series:
    """An id a row: a .npy vector of integers or text, or a text file with an id a line."""
    if path.suffix.lower() == ".npy":
        values = read_array(path)
        if values.ndim != 1 or values.dtype.kind not in "iuU":
            raise InputError(f"{path}: expected a vector of integer or text ids, not {values.dtype} {values.shape}")
        return ids(pl.Series(values.astype(np.int64) if values.dtype.kind in "iu" else values.tolist()))
    refuse_empty(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; an id a line is expected") from None
    text = pl.Series("item", lines, dtype=pl.String).str.strip_chars()
    if (text == "").any():
        raise InputError(f"{path}, line {int((text == '').arg_true()[0]) + 1}: blank; line r holds the id of row r")
    return ids(text)
