"""Files of ids: row r's id in row r of a .npy vector, or in line r of a text file."""

from pathlib import Path

import numpy as np
import polars as pl

from rcekd.datasets.binary import read_array
from rcekd.datasets.formats import refuse_empty
from rcekd.datasets.tables import ids
from rcekd.errors import InputError


def read_ids(path: Path) -> pl.Series:
    """An id a row, Int64 or String: a .npy vector of integers or text, or a text file with an id a line.

    InputError for any other array, text that is not UTF-8, or a blank line.
    """
    if path.suffix.lower() == ".npy":
        values = read_array(path)
        if values.ndim != 1 or values.dtype.kind not in "iuU":
            raise InputError(f"{path}: expected a vector of integer or text ids, not {values.dtype} {values.shape}")
        wide = {"i": np.int64, "u": np.uint64}.get(values.dtype.kind)
        return ids(pl.Series(values.tolist() if wide is None else values.astype(wide)))
    refuse_empty(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text; an id a line is expected") from None
    text = pl.Series(lines, dtype=pl.String).str.strip_chars()
    if (text == "").any():
        raise InputError(f"{path}, line {int((text == '').arg_true()[0]) + 1}: blank; line r holds the id of row r")
    return ids(text)


def first_few(ids: pl.Series) -> str:
    """The first three ids as a message shows them."""
    return ", ".join(repr(value) for value in ids.head(3).to_list())
