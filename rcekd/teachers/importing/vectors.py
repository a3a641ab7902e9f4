"""Reader of vectors beside their ids: a Parquet file of users and one of items."""

from pathlib import Path
from typing import Any

import polars as pl

from rcekd.datasets.columns import USUAL, needed_column
from rcekd.datasets.tables import id_column, read_table
from rcekd.datasets.vectors import nested_vectors
from rcekd.errors import InputError
from rcekd.teachers.importing.raw import RawFactors, as_table, joined
from rcekd.teachers.importing.request import ImportRequest


def read_vectors(request: ImportRequest) -> RawFactors:
    """users.parquet and items.parquet: a column of ids, and one of vectors or a column of numbers per factor.

    Where both files call these columns alike, a factor is paired with that of its name, else with that of its place.
    """
    user_file, item_file = request.files
    user_ids, users = _side(user_file, "user", request.user_column)
    item_ids, items = _side(item_file, "item", request.item_column)
    factors = _fractions(users)
    user_XD = as_table(_vectors(users, factors, user_file), str(user_file))
    if set(factors) != set(_fractions(items)):
        factors = _fractions(items)
    item_YD = as_table(_vectors(items, factors, item_file), str(item_file))
    where = f"{user_file} and {item_file}"
    return joined("vectors", user_XD, item_YD, None, where, user_ids=user_ids, item_ids=item_ids)


def _side(path: Path, side: str, given: str | None) -> tuple[pl.Series, pl.DataFrame]:
    """The ids, and the table without them."""
    table = read_table(path)
    usual = (*USUAL[side], "id")
    name = needed_column(table.columns, usual, given, f"{side} id", f"--{side}-column", path)
    return id_column(table, name, path), table.drop(name)


def _fractions(table: pl.DataFrame) -> list[str]:
    return [name for name, kind in table.schema.items() if kind.is_float()]


def _vectors(table: pl.DataFrame, fractions: list[str], path: Path) -> Any:
    """The one column of vectors, else the columns of fractions in the order given, as an array [rows, D]."""
    if (nested_YD := nested_vectors(table, path)) is not None:
        return nested_YD
    if not fractions:
        raise InputError(f"{path}: no column of vectors, and no columns of fractions, beside the ids")
    return table.select(fractions).to_numpy()
