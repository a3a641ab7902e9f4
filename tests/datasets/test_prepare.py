"""Preparation, step by step on tables small enough to work out by hand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcekd.datasets import DataSettings, Interactions
from rcekd.datasets.prepare import Plan, prepare
from rcekd.errors import InputError
from tests.datasets.aid import rows

ALL_TRAIN = {"split": "reference", "valid_share": 0.0, "test_share": 0.0}


def prepared(columns: dict[str, list[object]], **settings: object) -> Interactions:
    plan = Plan.of(DataSettings.model_validate(settings), DataSettings())
    return prepare("toy", pl.DataFrame(columns), plan)


def test_plan_takes_the_user_then_the_dataset_then_the_general_default() -> None:
    plan = Plan.of(DataSettings(user_core=0), DataSettings(split="given", user_core=5, item_core=3))
    assert (plan.split, plan.user_core, plan.item_core, plan.duplicates) == ("given", 0, 3, "drop")


def test_ids_are_compacted_in_increasing_order() -> None:
    data = prepared({"user": [30, 7, 30], "item": ["b", "a10", "a9"]}, **ALL_TRAIN)
    assert data.user_ids.to_list() == [7, 30]
    assert data.item_ids.to_list() == ["a10", "a9", "b"]
    assert rows(data.train) == [[0], [2, 1]]


def test_minimum_rating() -> None:
    data = prepared({"user": [1, 1, 2], "item": [5, 6, 5], "rating": [4.0, 3.5, 1.0]}, min_rating=3.5, **ALL_TRAIN)
    assert (data.n_users, data.n_items, rows(data.train)) == (1, 2, [[0, 1]])


@pytest.mark.parametrize(("duplicates", "expected"), [("keep", [[1, 0, 1]]), ("drop", [[1, 0]])])
def test_duplicates(duplicates: str, expected: list[list[int]]) -> None:
    data = prepared({"user": [1, 1, 1], "item": [9, 4, 9]}, duplicates=duplicates, **ALL_TRAIN)
    assert rows(data.train) == expected


def test_the_earliest_of_repeated_pairs_stays() -> None:
    table = {"user": [1, 1, 1], "item": [9, 4, 9], "time": [30, 20, 10]}
    data = prepared(table, split="time", valid_share=0.0, test_share=0.0)
    assert rows(data.train) == [[1, 0]]


def test_a_pair_of_train_and_test_stays_in_train() -> None:
    table = {"user": [1, 1, 1], "item": [9, 4, 9], "time": [3, 2, 1], "part": pl.Series([0, 0, 2], dtype=pl.UInt8)}
    data = prepared(table, valid_share=0.0)
    assert (rows(data.train), rows(data.test)) == ([[0, 1]], [[]])


def test_time_orders_within_a_user_ties_by_file() -> None:
    table = {"user": [1, 2, 1, 1], "item": [3, 3, 2, 1], "time": [5, 9, 5, 1]}
    assert rows(prepared(table, split="time", valid_share=0.0, test_share=0.0).train) == [[0, 2, 1], [2]]
    assert rows(prepared(table, **ALL_TRAIN).train) == [[2, 1, 0], [2]]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [({}, "random"), ({"time": [1, 2]}, "time"), ({"part": pl.Series([0, 2], dtype=pl.UInt8)}, "given")],
)
def test_the_natural_split(extra: dict[str, object], expected: str) -> None:
    data = prepared({"user": [1, 1], "item": [1, 2], **extra})
    assert data.split == data.preparation["split"] == expected


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"user_core": 3}, "data.user_core=3 and data.item_core=0 leave no interaction"),
        ({"item_core": 2}, "data.user_core=0 and data.item_core=2 leave no interaction"),
        ({"min_rating": 3}, "data.min_rating=3: toy has no ratings"),
        ({"split": "time"}, "data.split=time: the data has no timestamps"),
        ({"split": "given"}, "data.split=given: the data does not come split"),
    ],
)
def test_what_leaves_nothing_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        prepared({"user": [1, 1, 2], "item": [1, 2, 3]}, **settings)
    assert said in str(caught.value)


def test_a_minimum_rating_above_all_is_refused() -> None:
    with pytest.raises(InputError, match=r"no rating of toy is that high; the highest is 4\.5"):
        prepared({"user": [1], "item": [1], "rating": [4.5]}, min_rating=5)


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(InputError, match="no interaction is left to train on"):
        prepared({"user": [1], "item": [1], "part": pl.Series([2], dtype=pl.UInt8)})


def test_leave_one_out_goes_by_time() -> None:
    """The latest interaction tests, the one before validates, whatever their order in the file."""
    data = prepared({"user": [1] * 5, "item": [10, 11, 12, 13, 14], "time": [3, 5, 1, 4, 2]}, split="leave-one-out")
    items = data.item_ids.to_list()
    parts = [[items[item] for item in part.indices.tolist()] for part in (data.train, data.valid, data.test)]
    assert parts == [[12, 14, 10], [13], [11]]


@pytest.mark.parametrize("split", ["reference", "random", "time", "leave-one-out"])
def test_a_user_with_one_interaction_trains(split: str) -> None:
    table = {"user": [1, 2, 2, 2], "item": [1, 1, 2, 3], "time": [1, 2, 3, 4]}
    data = prepared(table, split=split)
    assert (rows(data.train)[0], rows(data.valid)[0], rows(data.test)[0]) == ([0], [], [])
    assert data.counts()["users_single"] == 1


@given(
    st.lists(st.tuples(st.integers(-3, 9), st.integers(0, 12)), min_size=1, max_size=80),
    st.sampled_from(["reference", "random", "time", "leave-one-out"]),
    st.sampled_from(["keep", "drop"]),
)
def test_splits_partition_what_was_read(pairs: list[tuple[int, int]], split: str, duplicates: str) -> None:
    table = {
        "user": [user for user, _ in pairs],
        "item": [item for _, item in pairs],
        "time": list(np.random.default_rng(len(pairs)).integers(0, 5, len(pairs))),
    }
    data = prepared(table, split=split, duplicates=duplicates)
    found = [
        (data.user_ids[user], data.item_ids[item])
        for part in (data.train, data.valid, data.test)
        for user, items in enumerate(rows(part))
        for item in items
    ]
    assert sorted(found) == sorted(pairs if duplicates == "keep" else set(pairs))
    assert data.fingerprint == prepared(table, split=split, duplicates=duplicates).fingerprint


@pytest.mark.parametrize("split", ["reference", "random", "time", "time-global", "leave-one-out"])
def test_times_stay_with_their_interactions(split: str) -> None:
    """An interaction's time tells user and item, so that none can be taken for another's."""
    rng = np.random.default_rng(3)
    user, item = rng.integers(0, 6, 90), rng.integers(0, 15, 90)
    table = {"user": list(user), "item": list(item), "time": list(rng.permutation(90) * 1000 + user * 20 + item)}
    data = prepared(table, split=split, duplicates="keep")
    assert data.times is not None
    for part in ("train", "valid", "test"):
        found, time = getattr(data, part), getattr(data.times, part)
        told = [
            data.user_ids[row] * 20 + data.item_ids[item] for row, items in enumerate(rows(found)) for item in items
        ]
        assert (time % 1000).tolist() == told
        if split != "reference":
            assert all((row.diff() > 0).all() for row in time.split(found.lengths().tolist()))


def test_the_time_of_a_repeated_pair_is_its_first() -> None:
    table = {"user": [1, 1, 1], "item": [9, 4, 9], "time": [30, 20, 10]}
    data = prepared(table, split="time", valid_share=0.0, test_share=0.0)
    assert data.times is not None
    assert data.times.train.tolist() == [10, 20]


def test_the_seed_of_a_split_is_the_users() -> None:
    assert Plan.of(DataSettings(split_seed=7), DataSettings()).split_seed == 7


def test_a_pair_that_repeats_within_a_part_keeps_its_earliest_time() -> None:
    table = [(0, 5, 0, 9), (0, 5, 0, 3), (0, 6, 0, 4), (0, 5, 2, 1)]
    schema = {"user": pl.Int64, "item": pl.Int64, "part": pl.UInt8, "time": pl.Int64}
    raw = pl.DataFrame(table, schema=schema, orient="row")
    data = prepare("toy", raw, Plan.of(DataSettings(valid_share=0.0), DataSettings()))
    assert data.times is not None
    assert (data.train.indices.tolist(), data.times.train.tolist(), data.test.indices.tolist()) == ([0, 1], [3, 4], [])
