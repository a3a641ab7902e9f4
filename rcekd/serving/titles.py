"""Titles of items, from a table of the user's own: CSV, TSV, Parquet, or a RecBole .item file."""

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from rcekd.datasets.binary import one_line, reading_parquet
from rcekd.datasets.columns import usual_column
from rcekd.datasets.formats import guess_separator, header_line
from rcekd.datasets.tables import PARQUET, cast, ids
from rcekd.errors import InputError

_IDS = ("itemid", "item", "iid", "movieid", "productid", "articleid", "bookid", "asin", "isbn", "id")
_TITLES = ("title", "movietitle", "name", "itemname", "producttitle", "booktitle", "label")


def read_titles(path: Path) -> pl.DataFrame:
    """Columns item and title, both String, an item once. InputError names file and columns if it cannot be."""
    table = _read(path)
    item, title = _column(table, _IDS, "item id", path), _column(table, _TITLES, "title", path)
    for name in (item, title):
        if table[name].dtype.is_nested():
            raise InputError(f"{path}: column {name!r} holds {table.schema[name]}, not one value a row; make it text")
    titles = cast(table[title], pl.String())
    if titles.null_count() > table[title].null_count():
        raise InputError(f"{path}: column {title!r} holds {table.schema[title]}, not text")
    # Ids as the datasets read them, so that an item 276 is the same where a table has it as 276.0.
    found = pl.DataFrame({"item": ids(table[item]).cast(pl.String), "title": titles})
    return found.drop_nulls("item").unique("item", keep="first", maintain_order=True)


def with_titles(lists: pl.DataFrame, titles: pl.DataFrame) -> pl.DataFrame:
    """The lists with a column title after item; null where an item has none."""
    key = lists.with_columns(pl.col("item").cast(pl.String).alias("_key"))
    joined = key.join(titles, left_on="_key", right_on="item", how="left", maintain_order="left").drop("_key")
    return joined.select("user", "rank", "item", "title", "score")


def _read(path: Path) -> pl.DataFrame:
    if path.suffix.lower() in PARQUET:
        with reading_parquet(path):
            return pl.read_parquet(path, glob=False)
    try:
        table = pl.read_csv(
            path,
            glob=False,
            separator=guess_separator(header_line(path)),
            quote_char='"' if path.suffix.lower() == ".csv" else None,
            infer_schema=False,
            encoding="utf8-lossy",
            truncate_ragged_lines=True,
        )
        return table.with_columns(pl.all().str.strip_chars())  # as the datasets' text is
    except (PolarsError, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable table of titles ({one_line(error)})") from error


def _column(table: pl.DataFrame, usual: tuple[str, ...], what: str, path: Path) -> str:
    found = usual_column(table.columns, usual)
    if found is None:
        shown = ", ".join(map(repr, table.columns[:8]))
        raise InputError(f"{path}: no {what} column among {shown}; call it {usual[0]} or {usual[1]}")
    return found
