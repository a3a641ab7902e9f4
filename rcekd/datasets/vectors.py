"""A column of vectors in a table."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rcekd.errors import InputError


def nested_vectors(table: pl.DataFrame, path: Path) -> NDArray[np.float32] | None:
    """The one column of lists or arrays, float32 [rows, D]; None where there is none.

    InputError where there are several, or where the vectors differ in length, have gaps or hold no numbers.
    """
    nested = [name for name, kind in table.schema.items() if isinstance(kind, pl.List | pl.Array)]
    if len(nested) > 1:
        raise InputError(f"{path}: several columns hold vectors ({', '.join(nested)}); keep the one that is to be used")
    if not nested:
        return None
    column = table[nested[0]]
    inner = getattr(column.dtype, "inner", None)
    width = column.arr.len() if isinstance(column.dtype, pl.Array) else column.list.len()
    widths, flat = width.unique().to_list(), column.explode()
    if len(widths) != 1 or not widths[0] or inner is None or not inner.is_numeric() or flat.null_count():
        raise InputError(f"{path}: the vectors of {column.name!r} must hold equally many numbers, without gaps")
    return flat.cast(pl.Float32).to_numpy().reshape(-1, widths[0])
