"""What Interactions tells of itself."""

import polars as pl
import pytest
import torch

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


def test_cold_shares_are_of_pairs() -> None:
    """Of seven items four are never trained on, and every held-out pair is of one of these."""
    found = timed().counts()
    assert (found["items_without_train"], found["cold_valid_share"], found["cold_test_share"]) == (4, 1.0, 1.0)


def test_seen_with_valid_are_sets(data: Interactions) -> None:
    assert rows(data.seen_with_valid) == [[0, 1, 2, 3], [0, 1], [1], []]


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


TIMED = [(0, 2, 0, 30), (1, 1, 0, 7), (0, 3, 0, 10), (0, 4, 1, 5), (1, 5, 1, 2), (1, 6, 2, 9), (0, 7, 1, 8)]


def timed(kind: type[pl.DataType] = pl.Int64) -> Interactions:
    schema = {"user": pl.Int64, "item": pl.Int64, "part": pl.UInt8, "time": kind}
    return prepare("toy", pl.DataFrame(TIMED, schema=schema, orient="row"), Plan.of(DataSettings(), DataSettings()))


@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64])
def test_histories_know_when(kind: type[pl.DataType]) -> None:
    data = timed(kind)
    assert data.times is not None
    assert (rows(data.train_history.rows), data.times.train.tolist()) == ([[2, 1], [0]], [10, 30, 7])
    assert (data.times.valid.tolist(), data.times.test.tolist()) == ([5, 8, 2], [9])
    both = data.train_with_valid
    assert both.time is not None
    assert [row.tolist() for row in both.time.split(both.rows.lengths().tolist())] == [[10, 30, 5, 8], [7, 2]]
    assert str(both.time.dtype) == ("torch.int64" if kind is pl.Int64 else "torch.float64")


def test_histories_without_times(data: Interactions) -> None:
    assert data.times is None
    assert data.train_history == (data.train, None)
    assert rows(data.train_with_valid.rows) == [[2, 0, 2, 3, 1], [1, 0], [1], []]
    assert data.train_with_valid.time is None


def test_the_fingerprint_is_of_the_order_and_not_of_the_times() -> None:
    later = pl.DataFrame(
        [(user, item, part, time + 1) for user, item, part, time in TIMED],
        schema={"user": pl.Int64, "item": pl.Int64, "part": pl.UInt8, "time": pl.Int64},
        orient="row",
    )
    other = prepare("toy", later, Plan.of(DataSettings(), DataSettings()))
    assert other.fingerprint == timed().fingerprint
    assert other.times is not None
    assert other.times.digest != timed().times.digest  # type: ignore[union-attr]


def test_times_go_where_the_interactions_go() -> None:
    moved = timed().to(torch.device("meta"))
    assert moved.train_history.time is not None
    assert moved.train_history.time.device == moved.device
