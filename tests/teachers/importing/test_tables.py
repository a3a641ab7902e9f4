"""Vectors and lists in tables, and files of ids."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from rcekd.errors import InputError
from rcekd.teachers.importing import RawFactors, RawLists, read
from rcekd.teachers.importing.tables import read_ids
from tests.teachers.importing.aid import ITEMS, lines, request, tables


def vectors(folder: Path, *, wide: bool = False) -> tuple[Path, Path]:
    paths = folder / "users.parquet", folder / "items.parquet"
    for path, side, table in zip(paths, ("user_id", "item_id"), tables(), strict=True):
        frame = pl.DataFrame({side: range(100, 100 + len(table))})
        if wide:
            frame = frame.with_columns(**{f"f{d}": table[:, d].numpy() for d in range(table.shape[1])})
        else:
            frame = frame.with_columns(pl.Series("vector", table.tolist()))
        frame.write_parquet(path)
    return paths


@pytest.mark.parametrize("wide", [False, True])
def test_vectors(tmp_path: Path, wide: bool) -> None:
    found = read(request(*vectors(tmp_path, wide=wide)))
    assert isinstance(found, RawFactors)
    assert torch.equal(found.user_XD, tables()[0])
    assert found.item_ids is not None
    assert found.item_ids.to_list() == list(range(100, 100 + ITEMS))


def test_factors_of_one_name_belong_together(tmp_path: Path) -> None:
    users, items = vectors(tmp_path, wide=True)
    table = pl.read_parquet(items)
    table.select("f2", "item_id", "f0", "f1").write_parquet(items)
    found = read(request(users, items))
    assert isinstance(found, RawFactors)
    assert torch.equal(found.item_YD, tables()[1])
    # Names that differ say nothing: factors are paired as they stand.
    table.select("item_id", *(pl.col(f"f{d}").alias(f"i{d}") for d in (2, 0, 1))).write_parquet(items)
    found = read(request(users, items))
    assert isinstance(found, RawFactors)
    assert torch.equal(found.item_YD, tables()[1][:, [2, 0, 1]])


@pytest.mark.parametrize(
    ("user_odd", "item_odd", "says"),
    [
        (["age"], ["price"], "only users have 'age' and only items have 'price', the others are in both"),
        ([], ["price"], "only items have 'price', the others are in both"),
        (["a", "b", "c", "d", "e"], [], "only users have 'a', 'b', 'c', 'd', …, the others"),
    ],
)
def test_factors_of_which_some_have_a_partner_of_their_name_are_refused(
    tmp_path: Path, user_odd: list[str], item_odd: list[str], says: str
) -> None:
    paths = vectors(tmp_path, wide=True)
    for path, odd in zip(paths, (user_odd, item_odd), strict=True):
        pl.read_parquet(path).with_columns(pl.lit(0.5).alias(name) for name in odd).write_parquet(path)
    with pytest.raises(InputError, match=rf"users\.parquet and .*items\.parquet: .*{says}.*; drop what is no factor"):
        read(request(*paths))


def test_fractions_beside_a_column_of_vectors_are_no_factors(tmp_path: Path) -> None:
    paths = vectors(tmp_path)
    for path, odd in zip(paths, ("age", "price"), strict=True):
        pl.read_parquet(path).with_columns(pl.lit(0.5).alias(odd), pl.lit(0.5).alias("both")).write_parquet(path)
    found = read(request(*paths))
    assert isinstance(found, RawFactors)
    assert torch.equal(found.item_YD, tables()[1])


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ([[1.0, 2.0], [3.0]], "equally many numbers"),
        ([[1.0], [None]], "without gaps"),
        ([["a"], ["b"]], "equally many numbers"),
        (["a", "b"], "no column of vectors"),
    ],
)
def test_wrong_vectors(tmp_path: Path, column: list[object], says: str) -> None:
    _, items = vectors(tmp_path)
    pl.DataFrame({"user_id": [1, 2], "vector": column}).write_parquet(tmp_path / "u.parquet")
    with pytest.raises(InputError, match=says):
        read(request(tmp_path / "u.parquet", items))
    pl.DataFrame({"who": [1], "vector": [[1.0]]}).write_parquet(tmp_path / "u.parquet")
    with pytest.raises(InputError, match=r"no user id column among.*--user-column"):
        read(request(tmp_path / "u.parquet", items))


def read_lists(path: Path, **options: str) -> pl.DataFrame:
    found = read(request(path, **options))  # type: ignore[arg-type]
    assert isinstance(found, RawLists)
    return found.table


def test_lists_are_ordered_by_score(tmp_path: Path) -> None:
    path = tmp_path / "top.csv"
    path.write_text("userId,movieId,prediction\n7,b,0.5\n7,a,0.9\n3,a,-1e-3\n7,c,0.5\n")
    found = read_lists(path)
    assert found.rows() == [(3, "a", -1e-3), (7, "a", 0.9), (7, "b", 0.5), (7, "c", 0.5)]
    assert read(request(path, format="lists")).notes == ("scores from 'prediction'",)


def test_spaces_and_blank_lines_are_passed_over_as_in_a_dataset(tmp_path: Path) -> None:
    path = tmp_path / "top.csv"
    path.write_text("user, item, score\r\n\r\n7 , b, 0.5\r\n  \r\n7, a ,0.9\r\n\r\n\r\n")
    assert read_lists(path).rows() == [(7, "a", 0.9), (7, "b", 0.5)]


def test_ranks_order_equal_scores_or_stand_for_them(tmp_path: Path) -> None:
    path = tmp_path / "top.parquet"
    frame = pl.DataFrame({"user": [1, 1, 1], "item": [5, 6, 7], "rank": [2, 1, 0], "score": [0.5, 0.5, 0.7]})
    frame.write_parquet(path)
    assert read_lists(path)["item"].to_list() == [7, 6, 5]
    frame.drop("score").write_parquet(path)
    assert read_lists(path)["score"].to_list() == pytest.approx([0.0, -np.log(2), -np.log(3)])


@pytest.mark.parametrize(
    ("column", "says"),
    [("user", r"row 1: user is '\[1\]', not an id"), ("score", r"row 1: score is \[1\], not a number")],
)
def test_columns_of_lists(tmp_path: Path, column: str, says: str) -> None:
    table: dict[str, list[object]] = {"user": [1], "item": [1], "score": [1], column: [[1]]}
    pl.DataFrame(table).write_parquet(tmp_path / "top.parquet")
    with pytest.raises(InputError, match=says):
        read(request(tmp_path / "top.parquet"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("user,item,score\n1,2,x\n", "line 2: score is 'x', not a number"),
        ("user,item,score\n1,2,1\n1,3,inf\n", "line 3: score is 'inf'"),
        ("user,item,score\n1,2,1\n1,2,2\n", "user 1 has item 2 twice"),
        ("user,item,score\n,2,1\n", "line 2: user is empty"),
        ("user,item,score,rank\n1,2,0.1,1\n1,3,0.2,2\n", "item 3 for user 1 is above that of the rank before it"),
        ("user,item\n1,2\n", "no score column among"),
        ("who,item,score\n1,2,3\n", "no user column.*--user-column"),
        ("user,item,score\n", "a header but no rows"),
        ("user,item,score\n1,2,3,4\n", "line 2: 4 fields where the header names 3"),
        ("user,item,score\n\n1,2,3\n \n1,3,x\n\n", "line 5: score is 'x', not a number"),
        ("user,item,score\n1,2,3\n\n,,\n", "line 4: user is empty"),
        ("user,item,score,score\n1,2,3,4\n", "line 1: a column name occurs twice"),
        ('{"user": 1, "item": 2, "score": 3}\n', "line 1: JSON, which is not read"),
        ("user:a,item:p,score:1\nuser:a,item:q,score:0.5\n", "no user column among 'user:a'"),
    ],
)
def test_wrong_lists(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "top.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read(request(path))
    assert "\n" not in str(error.value)


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "top.csv"
    path.write_text("who,what,how\n1,2,3\n")
    assert read_lists(path, user_column="who", item_column="what", score_column="how").rows() == [(1, 2, 3.0)]
    with pytest.raises(InputError, match="--score-column 'hows' is not a column; did you mean 'how'"):
        read_lists(path, user_column="who", item_column="what", score_column="hows")


def test_ids(tmp_path: Path) -> None:
    assert read_ids(lines(tmp_path / "a.txt", ["x y", "7"]), "user").to_list() == ["x y", "7"]
    assert read_ids(lines(tmp_path / "b.txt", range(3)), "user").to_list() == [0, 1, 2]
    np.save(tmp_path / "c.npy", np.array([4, 2]))
    assert read_ids(tmp_path / "c.npy", "user").to_list() == [4, 2]
    np.save(tmp_path / "d.npy", np.array(["u", "v"]))
    assert read_ids(tmp_path / "d.npy", "user").to_list() == ["u", "v"]
    np.save(tmp_path / "g.npy", np.array([7, 2**63], dtype=">u8"))
    assert read_ids(tmp_path / "g.npy", "user").to_list() == ["7", str(2**63)]
    np.save(tmp_path / "h.npy", np.array([7, 2], dtype=np.uint64))
    assert read_ids(tmp_path / "h.npy", "user").to_list() == [7, 2]
    (tmp_path / "e.csv").write_text("anything\n9\n8\n")
    assert read_ids(tmp_path / "e.csv", "user").to_list() == [9, 8]
    (tmp_path / "f.csv").write_text("user_id,row\n9,1\n8,0\n")
    assert read_ids(tmp_path / "f.csv", "user").to_list() == [8, 9]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.txt", "x\n\ny\n", "line 2: blank"),
        ("a.csv", "user_id,row\n9,1\n8,3\n", "must number the rows from 0 to 1"),
        ("a.csv", "p,q\n9,1\n", "which column holds the user ids"),
        ("a.csv", "user\n9\n\n", "line 3: user is empty"),
        ("a.csv", "user\n\n9\n", "line 2: user is empty"),
        ("a.csv", "user_id,row\n9,1\n,0\n", "line 3: user_id is empty"),
        ("a.npy", "no", "not a .npy file"),
    ],
)
def test_wrong_ids(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=says):
        read_ids(tmp_path / name, "user")
