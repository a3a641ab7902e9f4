"""From a name or a path to files."""

from pathlib import Path

import pytest

from rcekd.datasets.load import read_source
from rcekd.datasets.places import Places
from rcekd.datasets.settings import DataSettings
from rcekd.datasets.source import find_source
from rcekd.errors import InputError
from tests.datasets.aid import Write


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.find(tmp_path / "data", tmp_path / "cache")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train.txt", "test.txt"], [("train.txt", "train"), ("test.txt", "test")]),
        (
            ["test.txt", "train.txt", "valid.txt", "item_list.txt", "README.md"],
            [("train.txt", "train"), ("valid.txt", "valid"), ("test.txt", "test")],
        ),
        (
            ["x.train.inter", "x.val.inter", "x.test.inter"],
            [("x.train.inter", "train"), ("x.val.inter", "valid"), ("x.test.inter", "test")],
        ),
        (["ratings.csv", "movies.csv", "README.txt"], [("ratings.csv", None)]),
        (["users.dat", "tags.dat"], [("users.dat", None)]),
        (["folder.inter", "folder.item"], [("folder.inter", None)]),
        (["only.parquet", "notes.md"], [("only.parquet", None)]),
    ],
)
def test_folders(write: Write, places: Places, names: list[str], expected: list[tuple[str, str | None]]) -> None:
    for name in names:
        write(f"folder/{name}", "x")
    source = find_source(str(write("folder/notes", "").parent), places)
    assert [(file.path.name, file.part) for file in source.files] == expected
    assert source.name == "folder"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train.txt"], "a split folder without a test file; add test.txt"),
        (["test.csv", "valid.csv"], "a split folder without a train file"),
        (["train.txt", "train.csv", "test.txt"], "both train.csv and train.txt look like the train part"),
        (["a.csv", "b.csv"], "it holds a.csv, b.csv"),
        (["notes.md"], "it holds no table or user list"),
    ],
)
def test_unclear_folders_are_refused(write: Write, places: Places, names: list[str], said: str) -> None:
    for name in names:
        folder = write(f"folder/{name}", "x").parent
    with pytest.raises(InputError) as caught:
        find_source(str(folder), places)
    assert str(caught.value).startswith(str(folder))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("citeulik", "unknown dataset 'citeulik'; did you mean 'citeulike'?"),
        ("zzz", "unknown dataset 'zzz'; known: citeulike, gowalla, ml-100k, ml-1m, synthetic, yelp; or give a path"),
        ("", "unknown dataset ''"),
        ("~nosuch/r.csv", "dataset '~nosuch/r.csv': no such file or folder"),
        ("./nowhere/r.csv", "dataset './nowhere/r.csv': no such file or folder"),
        ("ml-100k.csv", "no such file or folder, nor a dataset; did you mean 'ml-100k'?"),
        ("x" * 5000, "unknown dataset"),
    ],
)
def test_what_is_nowhere_is_said(places: Places, typed: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        find_source(typed, places)
    assert said in str(caught.value)


def test_another_release_in_the_default_folder_is_not_mixed_with_downloads(write: Write, tmp_path: Path) -> None:
    default = Places(tmp_path / "data", tmp_path)
    write("data/yelp/train.txt", "0 1 2\n")
    with pytest.raises(InputError, match="a split folder without a test file"):
        find_source("yelp", default)
    for part in ("valid", "test"):
        write(f"data/yelp/{part}.txt", "0 3\n")
    assert [file.part for file in find_source("yelp", default).files] == ["train", "valid", "test"]


def test_a_name_may_be_a_folder_of_the_data_folder(write: Write, places: Places) -> None:
    path = write("data/mine/ratings.csv", "user,item\n1,2\n")
    source = find_source("mine", places)
    assert (source.name, source.files[0].path) == ("mine", path)


def test_a_link_into_a_store_that_names_files_by_digest_says_what_the_file_is(
    write: Write, places: Places, tmp_path: Path
) -> None:
    (tmp_path / "ratings.csv").symlink_to(write("store/4f2a9c", 'user,item\nann,"a, b"\n'))
    source = find_source(str(tmp_path / "ratings.csv"), places)
    assert (source.name, source.files[0].path) == ("ratings", tmp_path / "ratings.csv")
    assert read_source(source, DataSettings())["item"].to_list() == ["a, b"]


@pytest.mark.parametrize("link", ["latest.csv", "latest", "latest.txt"])
def test_any_other_link_stands_for_the_file_that_it_leads_to(
    write: Write, places: Places, tmp_path: Path, link: str
) -> None:
    path = write("ratings-3.csv", "user,item\n1,2\n")
    (tmp_path / link).symlink_to(path)
    source = find_source(str(tmp_path / link), places)
    assert (source.name, source.files[0].path) == ("ratings-3", path)


def test_places_come_from_arguments_then_environment_then_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RCEKD_DATA_DIR", raising=False)
    monkeypatch.setenv("RCEKD_CACHE_DIR", str(tmp_path))
    assert Places.find(None, None) == Places(tmp_path / "data", tmp_path)
    monkeypatch.setenv("RCEKD_DATA_DIR", str(tmp_path / "own"))
    assert Places.find(None, None).data_dir == tmp_path / "own"
    assert Places.find(tmp_path / "arg", tmp_path / "c") == Places(tmp_path / "arg", tmp_path / "c")
    monkeypatch.delenv("RCEKD_CACHE_DIR")
    assert Places.find(None, None).cache_dir.name == "rcekd"
