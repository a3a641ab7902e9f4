"""Features beside a dataset's items: by original id, with what is missing, and what changes with them."""

import copy
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from rcekd.datasets import DataSettings, Interactions
from rcekd.datasets.features.attach import aligned, attach
from rcekd.datasets.features.table import FeatureTable, write_features
from tests.datasets.aid import Load, Refuse, Write
from tests.datasets.features.aid import refused

RATINGS = "user,item\n" + "".join(f"u{user},{item}\n" for user in range(4) for item in (10, 2, 33, 7))


def table(ids: list[object], scale: float = 1.0) -> FeatureTable:
    values = scale * np.arange(1, 2 * len(ids) + 1, dtype=np.float32).reshape(-1, 2)
    return FeatureTable.checked(pl.Series(ids), values, "here")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_features(tmp_path / "f.parquet", table([33, 999, 2, 10]))
    return tmp_path / "f.parquet"


def test_they_are_aligned_by_original_id(load: Load, write: Write, file: Path) -> None:
    data = load(write("r.csv", RATINGS), features={"text": str(file)})
    assert data.item_ids.to_list() == [2, 7, 10, 33]
    found = data.features["text"]
    assert found.value_IF.tolist() == [[5.0, 6.0], [0.0, 0.0], [7.0, 8.0], [1.0, 2.0]]
    assert found.missing_I.tolist() == [False, True, False, False]
    assert (found.width, found.missing_share) == (2, 0.25)
    assert found.summary() == {"width": 2, "missing": 1, "missing_share": 0.25, "digest": found.digest}


def test_ids_of_another_kind_meet_as_text(load: Load, write: Write) -> None:
    data = load(write("r.csv", RATINGS))
    assert aligned(data, table(["33", "2"]), "text", "here").missing_I.tolist() == [False, True, True, False]


def test_the_dataset_stays_what_it_was(load: Load, write: Write, file: Path) -> None:
    """Fingerprint and cache are those without features; the next load without them has none."""
    path = write("r.csv", RATINGS)
    bare, full = load(path), load(path, features={"text": str(file)})
    assert bare.features == {}
    assert full.fingerprint == bare.fingerprint
    assert load(path).features == {}
    assert attach(bare, {}) is bare


def test_the_digest_is_of_what_the_dataset_gets(load: Load, write: Write) -> None:
    """Rows of unknown items and the order of rows do not matter; values do, and so does what is missing."""
    data = load(write("r.csv", RATINGS))

    def digest(features: FeatureTable) -> str:
        return aligned(data, features, "text", "here").digest

    whole = table([2, 10])
    assert digest(whole) == digest(FeatureTable(whole.item_ids.reverse(), whole.value_XF[::-1].copy()))
    assert digest(whole) == digest(
        FeatureTable(pl.Series([2, 10, 5]), np.concatenate([whole.value_XF, np.ones((1, 2), dtype=np.float32)]))
    )
    assert digest(whole) != digest(table([2, 10], scale=2.0))
    zero = FeatureTable(pl.Series([2, 7, 10]), np.insert(whole.value_XF, 1, 0.0, axis=0))
    assert digest(whole) != digest(zero)


def test_a_file_of_other_items_is_refused(refuse: Refuse, write: Write, tmp_path: Path) -> None:
    write_features(tmp_path / "f.parquet", table(["film-2", "film-7"]))
    message = refuse(write("r.csv", RATINGS), features={"text": str(tmp_path / "f.parquet")})
    assert "none of the 4 items of r is in it" in message
    assert "the dataset's are like 2, 7, 10, the file's like 'film-2', 'film-7'" in message


def test_a_missing_file_is_refused(refuse: Refuse, write: Write, tmp_path: Path) -> None:
    assert "no such file" in refuse(write("r.csv", RATINGS), features={"text": str(tmp_path / "no.parquet")})


def test_paths_are_made_to_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = DataSettings.model_validate({"features": {"text": "f.parquet"}})
    assert settings.features == {"text": str(tmp_path / "f.parquet")}


@pytest.mark.parametrize("name", ["", "Text", "a.b", "1st", "x" * 40])
def test_names_of_modalities(name: str) -> None:
    with pytest.raises(ValidationError, match="no name of a modality"):
        DataSettings.model_validate({"features": {name: "f.parquet"}})


def test_copies_share_the_data(load: Load, write: Write) -> None:
    data: Interactions = load(write("r.csv", RATINGS))
    assert copy.deepcopy(data) is data


def test_a_refusal_is_one_line() -> None:
    assert refused(FeatureTable.checked, pl.Series([1, 1]), np.zeros((2, 1)), "here").startswith("here: item 1")
