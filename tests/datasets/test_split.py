"""Splits: every row lands in one part, in the promised numbers, the same way every time."""

from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcekd.datasets.settings import SplitName
from rcekd.datasets.split import TEST, TRAIN, VALID, PartOf, Rows, split_rows
from rcekd.errors import InputError

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=12)
SEEDS = st.integers(0, 2**32)


def rows_of(lengths: list[int], *, part: PartOf | None = None) -> Rows:
    user = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    time = np.concatenate([np.arange(length, dtype=np.int64) for length in lengths])
    return Rows(user=user, time=time, part=part)


def cut(rows: Rows, split: SplitName, seed: int = 0, valid: float = 0.1, test: float = 0.1) -> PartOf:
    return split_rows(rows, split, seed=seed, valid_share=valid, test_share=test)


def per_user(rows: Rows, part: PartOf) -> list[list[int]]:
    return [part[rows.user == user].tolist() for user in range(int(rows.user.max()) + 1)]


def sizes(parts: list[int]) -> tuple[int, int, int]:
    return parts.count(TRAIN), parts.count(VALID), parts.count(TEST)


def expected_sizes(length: int) -> tuple[int, int, int]:
    """The rule as the data's README states it, in exact arithmetic."""
    train = max(1, 8 * length // 10)
    seen = max(train, 9 * length // 10)
    return train, seen - train, length - seen


@given(LENGTHS, SEEDS)
@pytest.mark.parametrize("split", ["reference", "time", "random"])
def test_sizes_of_the_per_user_splits(split: SplitName, lengths: list[int], seed: int) -> None:
    rows = rows_of(lengths)
    part = cut(rows, split, seed)
    assert [sizes(parts) for parts in per_user(rows, part)] == [expected_sizes(length) for length in lengths]


@given(LENGTHS, st.sampled_from(["reference", "time"]))
def test_ordered_splits_never_go_back(lengths: list[int], split: SplitName) -> None:
    rows = rows_of(lengths)
    assert all(parts == sorted(parts) for parts in per_user(rows, cut(rows, split)))


@given(LENGTHS, SEEDS)
def test_random_split_is_a_function_of_the_seed(lengths: list[int], seed: int) -> None:
    rows = rows_of(lengths)
    assert (cut(rows, "random", seed) == cut(rows, "random", seed)).all()


def test_random_split_depends_on_the_seed_and_favours_no_place() -> None:
    rows = rows_of([10] * 3000)
    first, second = cut(rows, "random", 0), cut(rows, "random", 1)
    assert (first != second).mean() > 0.2
    tested = np.bincount(rows.positions()[first == TEST], minlength=10)
    chi_square = float(((tested - 300.0) ** 2 / 300.0).sum())
    assert chi_square < 27.9  # 0.999 quantile of chi-square with 9 degrees of freedom


@given(st.integers(1, 300), st.integers(0, 9), st.integers(0, 9))
def test_shares_are_taken_exactly(length: int, valid: int, test: int) -> None:
    if valid + test >= 10:
        valid, test = 1, 1
    part = cut(rows_of([length]), "reference", valid=valid / 10, test=test / 10).tolist()
    train = max(1, length * (10 - valid - test) // 10)
    seen = max(train, length * (10 - test) // 10)
    assert sizes(part) == (train, seen - train, length - seen)


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1, [TRAIN]), (2, [TRAIN, TEST]), (3, [TRAIN, VALID, TEST]), (5, [TRAIN] * 3 + [VALID, TEST])],
)
def test_leave_one_out(length: int, expected: list[int]) -> None:
    rows = rows_of([length, 4])
    assert per_user(rows, cut(rows, "leave-one-out"))[0] == expected


@given(st.lists(st.integers(0, 30), min_size=2, max_size=80))
def test_time_global_cuts_time_once(times: list[int]) -> None:
    time = np.array(times, dtype=np.int64)
    rows = Rows(user=np.zeros(len(times), dtype=np.int32), time=time, part=None)
    first = sorted(times)[floor(len(times) * 8 / 10)]
    if first == min(times):
        with pytest.raises(InputError, match="nothing is early enough"):
            cut(rows, "time-global")
        return
    part = cut(rows, "time-global")
    assert part[time < first].tolist() == [TRAIN] * times_below(times, first)
    assert (part[time >= first] != TRAIN).all()
    assert time[part == VALID].max(initial=-1) < time[part == TEST].min(initial=31)
    assert (part == TRAIN).sum() <= 0.8 * len(times)


def times_below(times: list[int], bound: int) -> int:
    return sum(time < bound for time in times)


def test_given_parts_are_kept() -> None:
    part = np.array([TRAIN, TEST, VALID, TRAIN], dtype=np.uint8)
    assert (cut(rows_of([3, 1], part=part), "given") == part).all()
    part = np.array([TRAIN] * 30 + [VALID, TEST], dtype=np.uint8)
    assert (cut(rows_of([32], part=part), "given") == part).all()


@given(LENGTHS, SEEDS)
def test_missing_validation_is_drawn_from_train(lengths: list[int], seed: int) -> None:
    given_part = np.tile(np.array([TRAIN, TRAIN, TEST], dtype=np.uint8), sum(lengths))[: sum(lengths)]
    rows = rows_of(lengths, part=given_part)
    part = cut(rows, "given", seed)
    assert ((part == TEST) == (given_part == TEST)).all()
    for before, after in zip(per_user(rows, given_part), per_user(rows, part), strict=True):
        had = before.count(TRAIN)
        assert after.count(TRAIN) == max(min(had, 1), 9 * had // 10)
        assert after.count(VALID) == had - after.count(TRAIN)


def test_drawn_validation_is_the_seeds() -> None:
    rows = rows_of([40], part=np.full(40, TRAIN, dtype=np.uint8))
    first, again, other = (cut(rows, "given", seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_time_global_may_leave_a_part_empty() -> None:
    rows = rows_of([10])
    assert cut(rows, "time-global", valid=0.2, test=0.0).tolist() == [TRAIN] * 8 + [VALID] * 2
    assert cut(rows, "time-global", valid=0.0, test=0.2).tolist() == [TRAIN] * 8 + [TEST] * 2


@pytest.mark.parametrize("split", ["time", "time-global"])
def test_time_splits_want_times(split: SplitName) -> None:
    rows = Rows(user=np.zeros(3, dtype=np.int32), time=None, part=None)
    with pytest.raises(InputError, match=f"data.split={split}: the data has no timestamps"):
        cut(rows, split)


def test_given_wants_parts() -> None:
    with pytest.raises(InputError, match="does not come split"):
        cut(rows_of([3]), "given")
