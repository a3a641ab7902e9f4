"""The features file and other tables of vectors: what is read, and what is refused."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rcekd.datasets.features.table import FeatureTable, read_features, write_features
from tests.datasets.features.aid import refused

VALUES = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1e-3]], dtype=np.float32)


@pytest.mark.parametrize("ids", [[7, 3], ["b", "a"]])
def test_a_file_comes_back_as_it_was_written(ids: list[object], tmp_path: Path) -> None:
    path = tmp_path / "deep" / "f.parquet"
    write_features(path, FeatureTable.checked(pl.Series(ids), VALUES, "here"))
    found = read_features(path)
    assert found.item_ids.to_list() == ids
    assert found.value_XF.dtype == np.float32
    assert np.array_equal(found.value_XF, VALUES)
    assert [str(kind) for kind in pl.read_parquet_schema(path).values()][1].startswith("Array(Float32")


def test_where_no_file_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    table = FeatureTable.checked(pl.Series([1, 2]), VALUES, "here")
    message = refused(write_features, tmp_path / "file" / "f.parquet", table)
    assert message.startswith(f"cannot write {tmp_path}/file/f.parquet: ")
    assert message.endswith("; make room there or choose another file")


def test_a_csv_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("movie_id,x,y\nm1,1,2.5\nm2,-3,4e-1\n")
    found = read_features(path)
    assert found.item_ids.to_list() == ["m1", "m2"]
    assert found.value_XF.tolist() == [[1.0, 2.5], [-3.0, pytest.approx(0.4)]]


def test_a_parquet_of_columns_of_fractions(tmp_path: Path) -> None:
    pl.DataFrame({"y": [2.0, 4.0], "item": [5, 6], "x": [1.0, 3.0], "year": [1999, 2000]}).write_parquet(
        tmp_path / "f.parquet"
    )
    found = read_features(tmp_path / "f.parquet")
    assert found.value_XF.tolist() == [[2.0, 1.0], [4.0, 3.0]]


def test_a_list_column_and_a_named_id_column(tmp_path: Path) -> None:
    frame = pl.DataFrame({"key": ["a", "b"], "embedding": [[1.0, 2.0], [3.0, 4.0]]})
    frame.write_parquet(tmp_path / "f.parquet")
    assert "name it with --item-column" in refused(read_features, tmp_path / "f.parquet")
    assert read_features(tmp_path / "f.parquet", "key").value_XF.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert "did you mean 'key'" in refused(read_features, tmp_path / "f.parquet", "kye")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"item": [1, 1], "v": [[1.0], [2.0]]}, "item 1 occurs twice"),
        ({"item": [1, 2], "v": [[1.0], [2.0, 3.0]]}, "equally many numbers"),
        ({"item": [1, 2], "v": [[1.0], [None]]}, "equally many numbers"),
        ({"item": [1, 2], "v": [["a"], ["b"]]}, "equally many numbers"),
        ({"item": [1, 2], "v": [[1.0], [float("nan")]]}, "item 2 is not finite"),
        ({"item": [1, None], "v": [[1.0], [2.0]]}, "row 2: item is empty, not an id"),
        ({"item": [1, 2], "v": [[1.0], [2.0]], "w": [[1.0], [2.0]]}, "several columns hold vectors (v, w)"),
        ({"item": [1, 2]}, "no column of vectors"),
    ],
)
def test_what_is_refused(frame: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    pl.DataFrame(frame).write_parquet(tmp_path / "f.parquet")
    found = refused(read_features, tmp_path / "f.parquet")
    assert message in found
    assert "f.parquet" in found


def test_a_csv_with_words_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("item,x,title\n1,2,Alien\n")
    assert "row 1: column 'title' is 'Alien', not a number" in refused(read_features, path)


def test_no_file(tmp_path: Path) -> None:
    assert "no such file" in refused(read_features, tmp_path / "nowhere.parquet")


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 0)), np.array([["a", "b"]] * 2)])
def test_only_a_matrix_of_numbers_will_do(values: object) -> None:
    assert "expected a matrix of numbers" in refused(FeatureTable.checked, pl.Series([1, 2]), values, "here")


def test_an_id_a_row() -> None:
    assert "3 item ids for 2 rows" in refused(FeatureTable.checked, pl.Series([1, 2, 3]), VALUES, "here")
