"""Readers of user lists: one user a line, items as integers between spaces."""

from pathlib import Path

import polars as pl

from rcekd.datasets.formats import refuse_empty
from rcekd.errors import InputError


def read_citeulike(path: Path) -> pl.DataFrame:
    """Line u (from 0) = the number of user u's items, then the items. Gives columns user, item (Int64), in file order.

    Raises InputError with the line where a token is not an item number or the count does not fit, as in a truncated
    file.
    """
    lines = _read_lines(path)
    _refuse_blank(path, lines)
    tokens = _tokens(path, lines)
    first = tokens["line"].is_first_distinct()
    announced = tokens.filter(first).rename({"token": "announced"})
    items = tokens.filter(~first)
    held = items.group_by("line").agg(pl.len().cast(pl.Int64).alias("held"))
    wrong = (
        announced.join(held, on="line", how="left", maintain_order="left")
        .with_columns(pl.col("held").fill_null(0))
        .filter(pl.col("announced") != pl.col("held"))
    )
    for line, announced_here, held_here in wrong.head(1).iter_rows():
        raise InputError(
            f"{path}, line {line}: {announced_here} items are announced but {held_here} follow; "
            "the file is truncated or not a CiteULike user list"
        )
    return items.select((pl.col("line").cast(pl.Int64) - 1).alias("user"), pl.col("token").alias("item"))


def read_lightgcn(path: Path) -> pl.DataFrame:
    """Each line = user, then the items. Gives columns user, item (Int64), in file order; blank lines are passed over.

    Raises InputError with the line where a token is not an id.
    """
    tokens = _tokens(path, _read_lines(path))
    first = tokens["line"].is_first_distinct()
    user = tokens.filter(first).rename({"token": "user"})
    items = tokens.filter(~first).rename({"token": "item"})
    return items.join(user, on="line", how="left", maintain_order="left").select("user", "item")


def _read_lines(path: Path) -> pl.DataFrame:
    refuse_empty(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not text; user lists hold integers between spaces") from None
    lines = pl.Series("text", text.removesuffix("\n").split("\n")).str.strip_chars()
    return lines.to_frame().with_row_index("line", offset=1)


def _refuse_blank(path: Path, lines: pl.DataFrame) -> None:
    for line in lines.filter(pl.col("text") == "")["line"].head(1):
        raise InputError(f"{path}, line {line}: blank; a user without items is written as 0")


def _tokens(path: Path, lines: pl.DataFrame) -> pl.DataFrame:
    """Columns line (UInt32), token (Int64 >= 0): every number of the file, in file order."""
    words = lines.select("line", pl.col("text").str.replace_all("\t", " ", literal=True).str.split(" "))
    words = words.explode("text").filter(pl.col("text") != "")
    tokens = words.with_columns(pl.col("text").cast(pl.Int64, strict=False).alias("token"))
    wrong = tokens.filter(pl.col("token").is_null() | (pl.col("token") < 0))
    for line, text, _ in wrong.head(1).iter_rows():
        raise InputError(f"{path}, line {line}: {text[:40]!r} is not an id; user lists hold integers from 0")
    return tokens.select("line", "token")
