"""Titles of items, from a table of the user's own: CSV, TSV, Parquet, or a RecBole .item file."""

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from rcekd.datasets.columns import without_type
from rcekd.datasets.formats import guess_separator, header_line
from rcekd.datasets.tables import ids
from rcekd.errors import InputError

_IDS = ("itemid", "item", "iid", "movieid", "productid", "articleid", "bookid", "asin", "isbn", "id")
_TITLES = ("title", "movietitle", "name", "itemname", "producttitle", "booktitle", "label")


def read_titles(path: Path) -> pl.DataFrame:
    """Columns item and title, both String, an item once. InputError names file and columns if it cannot be."""
    try:
        table = _read(path)
    except (PolarsError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable table of titles ({' '.join(str(error).split())[:200]})") from error
    item, title = _column(table, _IDS, "item id", path), _column(table, _TITLES, "title", path)
    for name in (item, title):
        if table[name].dtype.is_nested():
            raise InputError(f"{path}: {name} holds {table[name].dtype}, not one value a row; make it plain text")
    # Ids as the datasets read them, so that an item 276 is the same where a table has it as 276.0.
    columns = {"item": ids(table[item]).cast(pl.String), "title": table[title].cast(pl.String, strict=False)}
    found = pl.DataFrame(columns)
    return found.drop_nulls("item").unique("item", keep="first", maintain_order=True)


def with_titles(lists: pl.DataFrame, titles: pl.DataFrame) -> pl.DataFrame:
    """The lists with a column title after item; null where an item has none."""
    key = lists.with_columns(pl.col("item").cast(pl.String).alias("_key"))
    joined = key.join(titles, left_on="_key", right_on="item", how="left", maintain_order="left").drop("_key")
    return joined.select("user", "rank", "item", "title", "score")


def _read(path: Path) -> pl.DataFrame:
    if path.suffix.lower() in (".parquet", ".pq"):
        return pl.read_parquet(path, glob=False)
    separator = guess_separator(header_line(path))
    return pl.read_csv(
        path,
        glob=False,
        separator=separator,
        quote_char='"' if path.suffix.lower() == ".csv" else None,
        infer_schema=False,
        encoding="utf8-lossy",
        truncate_ragged_lines=True,
    )


def _column(table: pl.DataFrame, usual: tuple[str, ...], what: str, path: Path) -> str:
    plain = {"".join(filter(str.isalnum, without_type(name).lower())): name for name in reversed(table.columns)}
    for name in usual:
        if name in plain:
            return plain[name]
    raise InputError(
        f"{path}: no {what} column among {', '.join(map(repr, table.columns[:8]))}; call it {usual[0]} or {usual[1]}"
    )
