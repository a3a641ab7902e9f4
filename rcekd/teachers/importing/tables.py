"""Tables with a header (CSV, TSV, Parquet): their columns, and the ids of a teacher's rows."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from rcekd.datasets import id_files
from rcekd.datasets.columns import USUAL, usual_column
from rcekd.datasets.tables import PARQUET, cast, ids, read_table
from rcekd.errors import InputError, nearest

_ROW_NAMES = ("row", "index", "idx", "inner", "innerid", "code", "position")


def find_column(kind: str, usual: Sequence[str], given: str | None, header: Sequence[str], path: Path) -> str | None:
    """The given column, else the first usual name that the header has; None where there is none."""
    if given is not None:
        if given not in header:
            raise InputError(f"{path}: --{kind}-column {given!r} is not a column{nearest(given, header)}")
        return given
    return usual_column(header, usual)


def numbers(table: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """A column as finite Float64. InputError with the row where it is none."""
    values = cast(table[column], pl.Float64())
    wrong = (~values.is_finite()).fill_null(True)
    if wrong.any():
        raw = table[column][_first(wrong)]
        shown = raw.to_list() if isinstance(raw, pl.Series) else raw
        raise InputError(f"{path}, {_place(path, wrong)}: {column} is {shown!r}, not a number")
    return values


def id_column(table: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """A column as ids, Int64 or String. InputError with the row where one is missing."""
    found = ids(table[column])
    wrong = found.is_null()
    if wrong.any():
        raise InputError(f"{path}, {_place(path, wrong)}: {column} is empty or no id")
    return found


def read_ids(path: Path, side: str) -> pl.Series:
    """The original id of every row: a .npy vector, a text file with an id a line, or a table.

    A table has one column of ids in row order, or a column named `row` (or alike) beside it.
    """
    return _id_table(path, side) if path.suffix.lower() in (*PARQUET, ".csv", ".tsv") else id_files.read_ids(path)


def _id_table(path: Path, side: str) -> pl.Series:
    table = read_table(path)
    header = table.columns
    row = find_column("row", _ROW_NAMES, None, header, path) if len(header) > 1 else None
    others = [name for name in header if name != row]
    name = others[0] if len(others) == 1 else find_column(side, (*USUAL[side], "id"), None, others, path)
    if name is None:
        raise InputError(f"{path}: which column holds the {side} ids? keep `row` and `{side}_id` alone of {header}")
    if row is not None:
        table = table.with_columns(numbers(table, row, path).alias(row)).sort(row)
        if not np.array_equal(table[row].to_numpy(), np.arange(len(table))):
            raise InputError(f"{path}: column {row!r} must number the rows from 0 to {len(table) - 1}, each once")
    return id_column(table, name, path)


def _place(path: Path, wrong: pl.Series) -> str:
    number = _first(wrong)
    return f"row {number + 1}" if path.suffix.lower() in PARQUET else f"line {number + 2}"


def _first(wrong: pl.Series) -> int:
    return int(wrong.arg_true()[0])
