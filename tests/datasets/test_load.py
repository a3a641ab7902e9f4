"""load_dataset on small files of every format, and on wrong ones."""

import os
from pathlib import Path

import polars as pl
import pytest

from tests.datasets.aid import Load, Refuse, Write, rows

PAIRS = [(1, 10), (1, 30), (2, 10), (2, 20), (2, 30)]
TEXTS = {
    "users.dat": "2 10 30\n3 10 20 30\n",
    "lists.txt": "1 10 30\n2 10 20 30\n",
    "freerec.txt": "USER\tITEM\n" + "".join(f"{user}\t{item}\n" for user, item in PAIRS),
    "r.inter": "user_id:token\titem_id:token\n" + "".join(f"{user}\t{item}\n" for user, item in PAIRS),
    "r.csv": "item,user\n" + "".join(f"{item},{user}\n" for user, item in PAIRS),
    "r.tsv": "user\titem\n" + "".join(f"{user}\t{item}\n" for user, item in PAIRS),
}


@pytest.mark.parametrize("name", [*TEXTS, "r.parquet"])
def test_every_format_gives_the_same_interactions(write: Write, load: Load, tmp_path: Path, name: str) -> None:
    if name == "r.parquet":
        path = tmp_path / name
        pl.DataFrame(PAIRS, schema=["user", "item"], orient="row").write_parquet(path)
    else:
        path = write(name, TEXTS[name])
    data = load(path, split="reference", valid_share=0.0, test_share=0.0)
    assert rows(data.train) == [[0, 2], [0, 1, 2]]
    assert data.user_ids.to_list() == ([0, 1] if name == "users.dat" else [1, 2])
    assert data.item_ids.to_list() == [10, 20, 30]
    assert data.name == path.stem


@pytest.mark.parametrize("valid", [True, False])
def test_a_folder_that_comes_split(write: Write, load: Load, valid: bool) -> None:
    write("mine/train.txt", "USER\tITEM\nu1\t5\nu1\t6\nu2\t5\nu2\t7\n")
    write("mine/test.txt", "USER\tITEM\nu1\t8\nu3\t5\n")
    if valid:
        write("mine/valid.txt", "USER\tITEM\nu1\t7\n")
    data = load(write("mine/README", "").parent, valid_share=0.5)
    assert (data.name, data.split, data.n_users, data.n_items) == ("mine", "given", 3, 4)
    assert rows(data.test) == [[3], [], [0]]
    assert [len(row) for row in rows(data.valid)] == ([1, 0, 0] if valid else [1, 1, 0])


def test_files_that_differ_in_kind_are_joined_as_text(write: Write, load: Load) -> None:
    write("mine/train.csv", "user,item,time\n1,10,1\n1,x,2\n")
    write("mine/test.csv", "user,item,time\n1,20,2.5\n")
    data = load(write("mine/README", "").parent, valid_share=0.0)
    assert data.item_ids.to_list() == ["10", "20", "x"]
    assert data.user_ids.to_list() == [1]


def test_a_split_folder_can_be_cut_anew(write: Write, load: Load) -> None:
    write("mine/train.txt", "0 1 2 3 4 5 6 7\n")
    write("mine/test.txt", "0 8 9 10\n")
    data = load(write("mine/README", "").parent, split="reference")
    assert rows(data.train) == [[0, 1, 2, 3, 4, 5, 6, 7]]
    assert rows(data.test) == [[9]]


def test_dates_of_all_parts_are_microseconds(write: Write, load: Load) -> None:
    write("mine/train.csv", "user,item,time\n1,10,2020-01-01\n1,20,2020-01-02\n")
    write("mine/test.csv", "user,item,time\n1,30,2020-01-03 00:00:00\n")
    data = load(write("mine/README", "").parent, valid_share=0.0)
    assert data.times is not None
    days = [18262, 18263, 18264]
    assert [*data.times.train.tolist(), *data.times.test.tolist()] == [day * 86400_000_000 for day in days]


def test_dates_beside_numbers_are_refused(write: Write, refuse: Refuse, load: Load) -> None:
    train = write("mine/train.csv", "user,item,time\n1,10,1577836800\n1,20,1577836900\n")
    test = write("mine/test.csv", "user,item,time\n1,30,2020-01-03\n")
    message = refuse(train.parent)
    assert message.startswith(f"{test} has dates where {train} has numbers; write all times alike")
    assert load(train.parent, columns={"time": "-"}).times is None


@pytest.mark.parametrize(("train", "test"), [("0 1 2 3\n1 2 3 4\n2 1 4\n", "1 5\n"), ("1 5\n2 1 4\n", "0 3\n1 4\n")])
def test_parts_of_one_folder_are_user_lists_of_one_kind(write: Write, load: Load, train: str, test: str) -> None:
    """Lines like `1 5` count themselves by chance; CiteULike's all do."""
    write("mine/train.txt", train)
    write("mine/test.txt", test)
    data = load(write("mine/README", "").parent, valid_share=0.0)
    held = {data.user_ids[user]: [data.item_ids[item] for item in row] for user, row in enumerate(rows(data.test))}
    assert held[1] == [int(test.split()[-1])]
    assert len(held) == len({line[0] for line in (train + test).splitlines()})


def test_given_names_of_columns(write: Write, load: Load, refuse: Refuse) -> None:
    path = write("r.csv", "who;what;when\na;x;2020-01-02\na;y;2020-01-01\n")
    assert "no user column among 'who'" in refuse(path)
    columns = {"user": "who", "item": "what", "time": "when"}
    data = load(path, columns=columns, valid_share=0.0, test_share=0.0)
    assert data.split == "time"
    assert rows(data.train) == [[1, 0]]


def test_a_table_without_header_is_not_taken_for_user_lists(write: Write, refuse: Refuse) -> None:
    message = refuse(write("u.dat", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n"))
    assert "line 1: no user column among '196', '242'" in message
    assert "the first line must name the columns" in message


@pytest.mark.parametrize(
    ("name", "text", "settings", "said"),
    [
        ("users.dat", "", {}, "the file is empty"),
        ("users.dat", "2 1 2\n2 1 2\n3 4 5\n", {}, "line 3: 3 items are announced but 2 follow"),
        ("lists.txt", "0 1 2 3\n1 b 2\n", {}, "line 2: 'b' is not an id"),
        ("r.csv", "user,item,rating\n1,2,nan\n", {}, "line 2: the rating is 'nan'"),
        ("lists.txt", "0\n1\n2\n", {}, "lists: no user has an item"),
        ("r.inter", "user\titem\n1\t2\n", {}, "'user' is not name:type"),
        ("r.parquet", "not parquet", {}, "not a readable Parquet file"),
        ("r.csv", "user,item\n1,2\n", {"split": "time"}, "data.split=time: the data has no timestamps"),
        ("r.csv", "user,item\n1,2\n", {"split": "given"}, "does not come split"),
        ("r.csv", "user,item\n1,2\n", {"min_rating": 3}, "r has no ratings"),
        ("r.csv", "user,item\n1,2\n", {"user_core": 2}, "r: data.user_core=2"),
        ("r.csv", "user,item\n1,2\n", {"format": "citeulike"}, "line 1: 'user,item' is not an id"),
        ("r.csv", "user,item\n1,2\n", {"separator": ";"}, "no user column among 'user,item'"),
    ],
)
def test_wrong_input_is_one_line(
    write: Write, refuse: Refuse, name: str, text: str, settings: dict[str, object], said: str
) -> None:
    assert said in refuse(write(name, text), **settings)


def test_a_name_that_is_not_utf8(refuse: Refuse, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.csv")
    path.write_text("user,item\n1,2\n")
    assert "udcff.csv': the name is not UTF-8; rename the file" in refuse(path)


def test_a_vanished_file_is_named(refuse: Refuse, tmp_path: Path) -> None:
    assert "no such file or folder" in refuse(tmp_path / "gone.csv")


def test_catalogue_files_in_the_data_folder_are_used(write: Write, load: Load) -> None:
    write("data/citeulike/users.dat", "5 1 2 3 4 5\n4 1 2 3 4\n6 1 2 3 4 5 9\n")
    data = load("citeulike")
    assert (data.name, data.split, data.n_users, data.n_items) == ("citeulike", "reference", 2, 6)
    assert rows(data.train) == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert rows(data.test) == [[4], [5]]
    assert data.counts()["cold_test_share"] == 1.0


def test_another_release_of_a_catalogue_dataset_may_stand_in_the_data_folder(write: Write, load: Load) -> None:
    for part, item in (("train", 4), ("valid", 5), ("test", 6)):
        write(f"data/yelp/{part}.txt", f"USER\tITEM\n0\t{item}\n")
    data = load("yelp")
    assert (data.name, data.split) == ("yelp", "given")
    assert [rows(part) for part in (data.train, data.valid, data.test)] == [[[0]], [[1]], [[2]]]


def test_half_a_release_is_not_completed_by_download(write: Write, refuse: Refuse) -> None:
    write("data/gowalla/train.txt", "0 1 2\n")
    assert "a split folder without a test file" in refuse("gowalla")


def test_catalogue_defaults_can_be_overruled(write: Write, load: Load) -> None:
    write("data/citeulike/users.dat", "5 1 2 3 4 5\n4 1 2 3 4\n")
    assert load("citeulike", user_core=0, split="leave-one-out").n_users == 2


def test_synthetic_has_the_size_asked_for(load: Load) -> None:
    data = load("synthetic", synthetic={"users": 30, "items": 70})
    assert (data.name, data.split, data.n_users, data.n_items) == ("synthetic", "random", 30, 70)
