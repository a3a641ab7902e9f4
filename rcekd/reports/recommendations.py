"""Top-N lists for people and for programs."""

from typing import Any

import polars as pl

from rcekd.reports.table import Table

MOST_ROWS = 100


def recommendations(lists: pl.DataFrame, title: str, notes: list[str]) -> Table:
    """A row for every listed item, the first MOST_ROWS of them; the user is named once."""
    shown = lists.head(MOST_ROWS)
    titled = "title" in lists.columns
    rows = []
    for row in shown.iter_rows(named=True):
        name = str(row["user"]) if row["rank"] == 1 else ""
        text = [str(row["title"]) if row["title"] is not None else ""] if titled else []
        rows.append((name, str(row["rank"]), str(row["item"]), *text, f"{row['score']:.4f}"))
    columns = ("user", "rank", "item", *(["title"] if titled else []), "score")
    if lists.height > shown.height:
        notes = [f"the first {shown.height} of {lists.height:,} rows; --to FILE.parquet or --json has them all", *notes]
    return Table(title, columns, rows, notes)


def as_objects(lists: pl.DataFrame, users: pl.Series) -> list[dict[str, Any]]:
    """[{user, items: [{item, (title,) score}, …]}, …] for all these users; no items where the frame has none."""
    kept = [name for name in ("item", "title", "score") if name in lists.columns]
    items = {user: group.select(kept).to_dicts() for (user,), group in lists.group_by("user")}
    return [{"user": user, "items": items.get(user, [])} for user in users.to_list()]
