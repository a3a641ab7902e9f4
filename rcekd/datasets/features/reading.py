"""Reading a user's tables and ids: columns by their usual names, ids as the datasets have them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from rcekd.datasets.columns import plain
from rcekd.datasets.formats import guess_separator, header_line, refuse_empty
from rcekd.datasets.tables import ids
from rcekd.errors import InputError, nearest

PARQUET = (".parquet", ".pq")


def read_table(path: Path) -> pl.DataFrame:
    """All columns of a Parquet file, or of a CSV or TSV file with every field as text."""
    refuse_empty(path)
    try:
        if path.suffix.lower() in PARQUET:
            return pl.read_parquet(path, glob=False)
        separator = guess_separator(header_line(path))
        quote = '"' if path.suffix.lower() == ".csv" else None
        return pl.read_csv(path, glob=False, separator=separator, quote_char=quote, infer_schema=False)
    except (PolarsError, OSError) as error:
        raise InputError(f"{path}: not a readable table ({' '.join(str(error).split())[:200]})") from error


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
        values = read_npy(path)
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


def read_npy(path: Path) -> np.ndarray:
    """The array of a .npy file; nothing is unpickled. InputError for any other file."""
    refuse_empty(path)
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not a .npy file of numbers ({reason}); save it with numpy.save") from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path}: an archive of arrays; save the one that is to be used with numpy.save")
    return found
