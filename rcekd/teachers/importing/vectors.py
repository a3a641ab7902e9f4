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

    Where both files call these columns alike, a factor is paired with that of its name; where no name is in both, with
    that of its place. InputError where only some names are: the others may be no factors, or those of another order.
    """
    user_file, item_file = request.files
    user_ids, users = _side(user_file, "user", request.user_column)
    item_ids, items = _side(item_file, "item", request.item_column)
    where = f"{user_file} and {item_file}"
    user_factors, item_factors = _paired(users, items, where)
    user_XD = as_table(_vectors(users, user_factors, user_file), str(user_file))
    item_YD = as_table(_vectors(items, item_factors, item_file), str(item_file))
    return joined("vectors", user_XD, item_YD, None, where, user_ids=user_ids, item_ids=item_ids)


def _side(path: Path, side: str, given: str | None) -> tuple[pl.Series, pl.DataFrame]:
    """The ids, and the table without them."""
    table = read_table(path)
    usual = (*USUAL[side], "id")
    name = needed_column(table.columns, usual, given, f"{side} id", f"--{side}-column", path)
    return id_column(table, name, path), table.drop(name)


def _paired(users: pl.DataFrame, items: pl.DataFrame, where: str) -> tuple[list[str], list[str]]:
    """The columns of fractions of both, a factor of the one at the place of its partner in the other."""
    ours, theirs = _fractions(users), _fractions(items)
    shared = set(ours) & set(theirs)
    if not shared or _is_nested(users) or _is_nested(items):
        return ours, theirs
    if set(ours) != set(theirs):
        odd = {"users": [name for name in ours if name not in shared]}
        odd["items"] = [name for name in theirs if name not in shared]
        told = " and ".join(f"only {side} have {_few(names)}" for side, names in odd.items() if names)
        raise InputError(
            f"{where}: of the columns of fractions {told}, the others are in both; drop what is no factor, or name "
            "the factors alike in both files"
        )
    return ours, ours


def _few(names: list[str]) -> str:
    return ", ".join(map(repr, names[:4])) + (", …" if len(names) > 4 else "")


def _is_nested(table: pl.DataFrame) -> bool:
    return any(isinstance(kind, pl.List | pl.Array) for kind in table.schema.values())


def _fractions(table: pl.DataFrame) -> list[str]:
    return [name for name, kind in table.schema.items() if kind.is_float()]


def _vectors(table: pl.DataFrame, fractions: list[str], path: Path) -> Any:
    """The one column of vectors, else the columns of fractions in the order given, as an array [rows, D]."""
    if (nested_YD := nested_vectors(table, path)) is not None:
        return nested_YD
    if not fractions:
        raise InputError(f"{path}: no column of vectors, and no columns of fractions, beside the ids")
    return table.select(fractions).to_numpy()
