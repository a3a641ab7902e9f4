"""Cutting rows out of a CSR, against lists."""

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.serving.rows import between, stacked
from rcekd.serving.seen import seen_between, seen_of

Rows = list[list[int]]
ROWS = st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=6)


def as_lists(rows: CSR) -> Rows:
    bounds = rows.indptr.tolist()
    return [rows.indices[a:b].tolist() for a, b in itertools.pairwise(bounds)]


def as_csr(rows: Rows) -> CSR:
    return stacked([torch.tensor(row, dtype=torch.int32) for row in rows])


@settings(deadline=None)
@given(ROWS, st.data())
def test_rows_against_lists(rows: Rows, data: st.DataObject) -> None:
    table = as_csr(rows)
    assert as_lists(table) == rows
    start = data.draw(st.integers(0, len(rows)))
    stop = data.draw(st.integers(start, len(rows)))
    assert as_lists(between(table, start, stop)) == rows[start:stop]
    wanted = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=5))
    assert as_lists(table.take(torch.tensor(wanted, dtype=torch.int32))) == [rows[row] for row in wanted]


def test_what_is_seen(tiny_interactions: Interactions) -> None:
    data = tiny_interactions
    everyone = torch.arange(data.n_users, dtype=torch.int32)
    for seen, expected in (("train", data.seen), ("train+valid", data.seen_with_valid)):
        assert as_lists(seen_of(data, seen, everyone)) == as_lists(expected)
        assert as_lists(seen_between(data, seen, 3, 9)) == as_lists(expected)[3:9]
    every = as_lists(seen_between(data, "all", 0, data.n_users))
    assert all(set(row) >= set(test) for row, test in zip(every, as_lists(data.test), strict=True))
    assert [len(row) for row in every] == [15] * data.n_users
    assert as_lists(seen_between(data, "none", 2, 4)) == [[], []]
    assert as_lists(seen_of(data, "all", everyone[:0])) == []
