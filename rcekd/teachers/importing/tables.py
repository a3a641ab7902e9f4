"""Tables with a header (CSV, TSV, Parquet): their columns, and the ids of a teacher's rows."""

from pathlib import Path

import numpy as np
import polars as pl

from rcekd.datasets import id_files
from rcekd.datasets.columns import USUAL, usual_column
from rcekd.datasets.tables import PARQUET, cast, id_column, place_of, read_table
from rcekd.errors import InputError

_ROW_NAMES = ("row", "index", "idx", "inner", "innerid", "code", "position")


def numbers(table: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """A column as finite Float64. InputError with the row where it is none."""
    values = cast(table[column], pl.Float64())
    wrong = (~values.is_finite()).fill_null(True)
    if wrong.any():
        raw = table[column][int(wrong.arg_true()[0])]
        shown = raw.to_list() if isinstance(raw, pl.Series) else raw
        raise InputError(f"{path}, {place_of(path, wrong)}: {column} is {shown!r}, not a number")
    return values


def read_ids(path: Path, side: str) -> pl.Series:
    """The original id of every row: a .npy vector, a text file with an id a line, or a table.

    A table has one column of ids in row order, or a column named `row` (or alike) beside it.
    """
    return _id_table(path, side) if path.suffix.lower() in (*PARQUET, ".csv", ".tsv") else id_files.read_ids(path)


def _id_table(path: Path, side: str) -> pl.Series:
    table = read_table(path)
    header = table.columns
    row = usual_column(header, _ROW_NAMES) if len(header) > 1 else None
    others = [name for name in header if name != row]
    name = others[0] if len(others) == 1 else usual_column(others, (*USUAL[side], "id"))
    if name is None:
        raise InputError(f"{path}: which column holds the {side} ids? keep `row` and `{side}_id` alone of {header}")
    found = id_column(table, name, path)
    if row is None:
        return found
    place = numbers(table, row, path)
    if not np.array_equal(place.sort().to_numpy(), np.arange(len(table))):
        raise InputError(f"{path}: column {row!r} must number the rows from 0 to {len(table) - 1}, each once")
    return found.gather(place.arg_sort())
