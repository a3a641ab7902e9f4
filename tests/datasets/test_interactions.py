"""What Interactions tells of itself."""

import polars as pl
import pytest

from rcekd.datasets import DataSettings, Interactions
from rcekd.datasets.prepare import Plan, prepare
from tests.datasets.aid import rows


@pytest.fixture
def data() -> Interactions:
    """Users 0 to 3; item 3 only in valid, items 4 and 5 only in test; user 3 only in test."""
    table = [
        *((0, item, 0) for item in (2, 0, 2)),
        *((1, item, 0) for item in (1, 0)),
        (2, 1, 0),
        *((0, item, 1) for item in (3, 1)),
        *((1, item, 2) for item in (4, 2)),
        *((3, item, 2) for item in (5, 0)),
    ]
    raw = pl.DataFrame(table, schema={"user": pl.Int64, "item": pl.Int64, "part": pl.UInt8}, orient="row")
    return prepare("toy", raw, Plan.of(DataSettings(duplicates="keep"), DataSettings()))


def test_parts(data: Interactions) -> None:
    assert rows(data.train) == [[2, 0, 2], [1, 0], [1], []]
    assert rows(data.valid) == [[3, 1], [], [], []]
    assert rows(data.test) == [[], [4, 2], [], [5, 0]]


def test_counts(data: Interactions) -> None:
    assert data.counts() == {
        "users": 4,
        "items": 6,
        "train": 6,
        "valid": 2,
        "test": 4,
        "interactions": 12,
        "density": 0.5,
        "cold_valid_share": 0.5,
        "cold_test_share": 0.5,
        "items_without_train": 3,
        "users_without_train": 1,
        "users_without_test": 2,
        "users_single": 1,
    }


def test_seen_holds_each_item_once_in_order(data: Interactions) -> None:
    assert rows(data.seen) == [[0, 2], [0, 1], [1], []]
    assert data.seen is data.seen


def test_train_pairs_follow_the_csr(data: Interactions) -> None:
    user_B, item_B = data.train_pairs
    assert user_B.tolist() == [0, 0, 0, 1, 1, 2]
    assert item_B.tolist() == [2, 0, 2, 1, 0, 1]
    assert {str(column.dtype) for column in (user_B, item_B)} == {"torch.int32"}


def test_types(data: Interactions) -> None:
    for part in (data.train, data.valid, data.test, data.seen):
        assert str(part.indptr.dtype) == "torch.int64"
        assert str(part.indices.dtype) == "torch.int32"


def test_fingerprint_is_the_same_on_every_machine(data: Interactions) -> None:
    assert data.fingerprint == "e94ff616b3dd83e9fecbf233b4822216cc6dc8a3937cc5d9bb49f3a1a27185a6"


@pytest.mark.parametrize(("column", "change"), [("item", 7), ("user", 9), ("part", 0)])
def test_fingerprint_sees_every_change(column: str, change: int) -> None:
    table = [(0, 2, 0), (1, 1, 0), (3, 0, 2)]
    raw = pl.DataFrame(table, schema={"user": pl.Int64, "item": pl.Int64, "part": pl.UInt8}, orient="row")
    plan = Plan.of(DataSettings(), DataSettings())
    changed = raw.with_columns(pl.Series(column, [*raw[column][:-1], change], dtype=raw.schema[column]))
    assert prepare("toy", raw, plan).fingerprint != prepare("toy", changed, plan).fingerprint
