"""Core filters: what stays satisfies them, nothing that could have stayed is dropped."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcekd.datasets.cores import core_mask

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=60)


def mask(pairs: list[tuple[int, int]], user_core: int, item_core: int, *, iterated: bool) -> list[bool]:
    user = np.array([pair[0] for pair in pairs], dtype=np.int32)
    item = np.array([pair[1] for pair in pairs], dtype=np.int32)
    return core_mask(user, item, user_core, item_core, iterated=iterated).tolist()


def one_pass(pairs: list[tuple[int, int]], user_core: int, item_core: int) -> list[tuple[int, int]]:
    users, items = Counter(user for user, _ in pairs), Counter(item for _, item in pairs)
    return [(user, item) for user, item in pairs if users[user] >= user_core and items[item] >= item_core]


@given(PAIRS, st.integers(0, 4), st.integers(0, 4))
def test_iterated_core_is_the_largest_set_that_satisfies_it(
    pairs: list[tuple[int, int]], user_core: int, item_core: int
) -> None:
    expected = pairs
    while (fewer := one_pass(expected, user_core, item_core)) != expected:
        expected = fewer
    keep = mask(pairs, user_core, item_core, iterated=True)
    assert [pair for pair, stays in zip(pairs, keep, strict=True) if stays] == expected
    users, items = Counter(user for user, _ in expected), Counter(item for _, item in expected)
    assert min(users.values(), default=user_core) >= user_core
    assert min(items.values(), default=item_core) >= item_core


@given(PAIRS, st.integers(0, 4), st.integers(0, 4))
def test_one_pass_judges_by_raw_counts(pairs: list[tuple[int, int]], user_core: int, item_core: int) -> None:
    keep = mask(pairs, user_core, item_core, iterated=False)
    kept = [pair for pair, stays in zip(pairs, keep, strict=True) if stays]
    assert kept == one_pass(pairs, user_core, item_core)


@pytest.mark.parametrize(("iterated", "expected"), [(False, [True, True, False]), (True, [False, False, False])])
def test_the_difference_between_the_two(iterated: bool, expected: list[bool]) -> None:
    # Item 1 goes for being rare; user 0 then has one interaction only, which the single pass does not look back at.
    pairs = [(0, 0), (0, 0), (0, 1)]
    assert mask(pairs, 3, 2, iterated=iterated) == expected
