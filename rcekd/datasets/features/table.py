"""A features file: Parquet with a column of item ids and a column of vectors, an item once. Read, checked, written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rcekd.datasets.columns import USUAL, needed_column
from rcekd.datasets.places import whole_file
from rcekd.datasets.tables import id_column, read_table
from rcekd.datasets.vectors import nested_vectors
from rcekd.errors import InputError


@dataclass(frozen=True)
class FeatureTable:
    """item_ids: original ids [X], each once. value_XF: float32 [X, F], finite."""

    item_ids: pl.Series
    value_XF: NDArray[np.float32]

    @staticmethod
    def checked(item_ids: pl.Series, values: Any, where: str) -> "FeatureTable":
        """A table of an array [X, F]. InputError for repeated ids, other numbers of them, or what is not finite."""
        array = np.asarray(values)
        if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
            shown = " × ".join(map(str, array.shape))
            raise InputError(f"{where}: expected a matrix of numbers, items × features, not {array.dtype} {shown}")
        if len(item_ids) != len(array):
            raise InputError(f"{where}: {len(item_ids):,} item ids for {len(array):,} rows; give one id per row")
        twice = item_ids.is_duplicated()
        if twice.any():
            raise InputError(f"{where}: item {item_ids.filter(twice)[0]!r} occurs twice; keep one row per item")
        value_XF = np.ascontiguousarray(array, dtype=np.float32)
        wrong = ~np.isfinite(value_XF).all(axis=1)
        if wrong.any():
            raise InputError(
                f"{where}: the vector of item {item_ids[int(wrong.argmax())]!r} is not finite; leave the item out "
                "(an item without features counts as missing), or fill the gap"
            )
        return FeatureTable(item_ids.alias("item"), value_XF)


def write_features(path: Path, table: FeatureTable) -> None:
    """Columns item (Int64 or String) and vector (Array of Float32). InputError where it cannot be written."""
    width = table.value_XF.shape[1]
    vector = pl.Series("vector", table.value_XF, dtype=pl.Array(pl.Float32, width))
    with whole_file(path, "make room there or choose another file") as aside:
        pl.DataFrame([table.item_ids, vector]).write_parquet(aside)


def read_features(path: Path, item_column: str | None = None) -> FeatureTable:
    """A features file, or any table of vectors by item id.

    Parquet: an id column and one column of vectors, or several of fractions; CSV and TSV: an id column, all others
    numbers. InputError names file, row and column of what is wrong.
    """
    table = read_table(path)
    name = needed_column(table.columns, (*USUAL["item"], "id"), item_column, "item id", "--item-column", path)
    return FeatureTable.checked(id_column(table, name, path), _vectors(table.drop(name), path), str(path))


def _vectors(table: pl.DataFrame, path: Path) -> Any:
    if (nested_XF := nested_vectors(table, path)) is not None:
        return nested_XF
    text = all(kind == pl.String for kind in table.schema.values())
    columns = table.columns if text else [name for name, kind in table.schema.items() if kind.is_float()]
    if not columns:
        raise InputError(f"{path}: no column of vectors, and no columns of numbers, beside the item ids")
    return np.column_stack([_numbers(table[name], path) for name in columns])


def _numbers(column: pl.Series, path: Path) -> Any:
    found = column.cast(pl.Float64, strict=False)
    if found.null_count():
        row = int(found.is_null().arg_true()[0])
        raise InputError(
            f"{path}, row {row + 1}: column {column.name!r} is {column[row]!r}, not a number; keep the item ids and "
            "the numbers alone"
        )
    return found.to_numpy()
