"""Tags and words of items, counted."""

from pathlib import Path

import polars as pl

from rcekd.datasets.features.terms import Terms, read_tag_lists, read_texts
from tests.datasets.features.aid import refused


def counts(terms: Terms) -> dict[object, dict[int, float]]:
    found: dict[object, dict[int, float]] = {item: {} for item in terms.item_ids.to_list()}
    for item, term, count in zip(terms.item, terms.term, terms.count, strict=True):
        found[terms.item_ids[int(item)]][int(term)] = float(count)
    return found


def test_tag_lists(tmp_path: Path) -> None:
    """Line t lists the items with tag t; one that a line repeats has the tag once."""
    path = tmp_path / "tag-item.dat"
    path.write_text("2 30 10\n0\n3 10 7 10\n")
    terms = read_tag_lists(path)
    assert terms.item_ids.to_list() == [7, 10, 30]
    assert terms.n_terms == 3
    assert counts(terms) == {7: {2: 1.0}, 10: {0: 1.0, 2: 1.0}, 30: {0: 1.0}}


def test_broken_tag_lists(tmp_path: Path) -> None:
    path = tmp_path / "t.dat"
    for text, message in [
        ("1 4\n3 1 2\n", "line 2: 2 item ids where the line says 3"),
        ("1 4\n1 x\n", "line 2: expected a count and item ids"),
        ("1 4\n\n1 2\n", "line 2: expected a count and item ids"),
        ("0\n0\n", "no item has a tag"),
    ]:
        path.write_text(text)
        assert message in refused(read_tag_lists, path)
    assert "no such file" in refused(read_tag_lists, tmp_path / "none.dat")


def test_texts(tmp_path: Path) -> None:
    """Words in lower case, of two letters or more; several rows of an item count together, an empty one not at all."""
    path = tmp_path / "items.csv"
    path.write_text('item_id,year,title\nb,1,"The Thing, a thing"\na,2,Ein Ding_x\nc,3,\nb,4,THING\n')
    terms = read_texts(path)
    assert terms.item_ids.to_list() == ["a", "b", "c"]
    words = {0: "the", 1: "thing", 2: "ein", 3: "ding"}
    named = {item: {words[t]: n for t, n in own.items()} for item, own in counts(terms).items()}
    assert named == {"a": {"ein": 1.0, "ding": 1.0}, "b": {"the": 1.0, "thing": 3.0}, "c": {}}


def test_columns_can_be_named(tmp_path: Path) -> None:
    pl.DataFrame({"key": [5, 3], "words": ["one two", "two"]}).write_parquet(tmp_path / "i.parquet")
    assert "no item id column" in refused(read_texts, tmp_path / "i.parquet")
    assert "no text column" in refused(read_texts, tmp_path / "i.parquet", "key")
    assert "did you mean 'words'" in refused(read_texts, tmp_path / "i.parquet", "key", "word")
    terms = read_texts(tmp_path / "i.parquet", "key", "words")
    assert counts(terms) == {3: {1: 1.0}, 5: {0: 1.0, 1: 1.0}}


def test_a_column_of_lists_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pl.DataFrame({"item": [1], "genres": [["a b", "c"]]}).write_parquet(path)
    assert "column 'genres' holds List(String), not text" in refused(read_texts, path)


def test_an_id_that_no_integer_holds(tmp_path: Path) -> None:
    path = tmp_path / "tags.dat"
    for digits in (20, 5000):
        path.write_text(f"1 1\n2 1 {'9' * digits}\n")
        assert "line 2: expected a count and item ids, all whole numbers of at most 18" in refused(read_tag_lists, path)


def test_a_column_without_words(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("item,title\n1,?\n2,\n")
    assert "holds no word; name another with --text-column" in refused(read_texts, path)
