"""Titles from the tables people have."""

from pathlib import Path

import polars as pl
import pytest

from rcekd.errors import InputError
from rcekd.serving.titles import read_titles, with_titles


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'movieId,title,genres\n1,"Toy, Story",a\n2,Heat,b\n'),
        ("t.item", "item_id:token\tmovie_title:token_seq\n1\tToy, Story\n2\tHeat\n"),
        ("t.csv", 'item_id, title\n 1,"Toy, Story "\n2 , Heat \n'),
        ("t.tsv", "name\tid\nToy, Story\t1\nHeat\t2\n"),
    ],
)
def test_formats(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_titles(tmp_path / name).rows() == [("1", "Toy, Story"), ("2", "Heat")]


def test_parquet_and_the_first_of_two(tmp_path: Path) -> None:
    pl.DataFrame({"item": [1, 1, None], "title": ["first", "second", "none"]}).write_parquet(tmp_path / "t.parquet")
    assert read_titles(tmp_path / "t.parquet").rows() == [("1", "first")]


def test_ids_kept_as_fractions_are_whole_numbers(tmp_path: Path) -> None:
    pl.DataFrame({"item": [276.0, 1.5, None], "title": ["Heat", "none", "none"]}).write_parquet(tmp_path / "t.parquet")
    assert read_titles(tmp_path / "t.parquet").rows() == [("276", "Heat")]


@pytest.mark.parametrize("nested", ["item", "title"])
def test_lists_in_a_column_are_refused(tmp_path: Path, nested: str) -> None:
    pl.DataFrame({"item": [1], "title": ["a"], nested: [["a"]]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=rf"'{nested}' holds List\(String\), not one value a row"):
        read_titles(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("text", "says"), [("a,b\n1,2\n", "no item id column among 'a', 'b'"), ("item,b\n1,2\n", "no title")]
)
def test_columns_that_cannot_be_told(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_titles(tmp_path / "t.csv")


def test_ids_are_the_datasets_and_titles_are_text(tmp_path: Path) -> None:
    table = pl.DataFrame({"item": [1.0, 2.0], "title": [["a"], ["b"]]})
    table.with_columns(title=pl.col("title").list.first()).write_parquet(tmp_path / "t.parquet")
    assert read_titles(tmp_path / "t.parquet").rows() == [("1", "a"), ("2", "b")]
    table.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"column 'title' holds List\(String\), not one value a row"):
        read_titles(tmp_path / "t.parquet")


def test_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("no")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_titles(tmp_path / "t.parquet")


def test_join_keeps_rows_and_order() -> None:
    lists = pl.DataFrame({"user": [1, 1], "rank": [1, 2], "item": [9, 2], "score": [2.0, 1.0]})
    joined = with_titles(lists, pl.DataFrame({"item": ["2"], "title": ["Heat"]}))
    assert joined.rows() == [(1, 1, 9, None, 2.0), (1, 2, 2, "Heat", 1.0)]
