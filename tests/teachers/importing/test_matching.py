"""A teacher's ids against the dataset's: rows found, missing, unknown, and when an import is refused."""

from dataclasses import replace

import polars as pl
import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.teachers.importing.matching import match, refuse_missing


def test_every_row_finds_its_place(tiny_interactions: Interactions) -> None:
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    ids = pl.Series((order + 100).tolist())
    found = match(tiny_interactions, "user", ids, 30, "f")
    assert torch.equal(order[found.row_N], torch.arange(30))
    assert found.counts() == {
        "matched": 30, "missing": 0, "missing_trained": 0, "missing_share": 0.0, "unknown": 0,
    }  # fmt: skip


def test_text_and_numbers_match_by_how_they_are_written(tiny_interactions: Interactions) -> None:
    ids = pl.Series(["[PAD]", *(str(100 + user) for user in range(28)), "nobody", "0100"])
    found = match(tiny_interactions, "user", ids, 31, "f")
    assert found.row_N.tolist() == [*range(1, 29), -1, -1]
    assert (found.missing, found.unknown) == (2, 2)  # the padding row is nobody's and counts as neither
    assert found.missing_share == pytest.approx(2 / 30)


def test_without_ids_there_must_be_as_many_rows(tiny_interactions: Interactions) -> None:
    assert torch.equal(match(tiny_interactions, "item", None, 40, "f").row_N, torch.arange(40))
    with pytest.raises(InputError, match="f: 39 item rows, but checkerboard has 40 items; give --item-ids FILE"):
        match(tiny_interactions, "item", None, 39, "f")


def test_wrong_ids(tiny_interactions: Interactions) -> None:
    with pytest.raises(InputError, match="f: 3 user ids for 4 rows; give one id per row; a table's first line"):
        match(tiny_interactions, "user", pl.Series([1, 2, 3]), 4, "f")
    with pytest.raises(InputError, match="f: user id 2 occurs twice"):
        match(tiny_interactions, "user", pl.Series([1, 2, 2]), 3, "f")


def test_too_many_missing_are_refused(tiny_interactions: Interactions) -> None:
    ids = pl.Series(range(103, 130))
    found = match(tiny_interactions, "user", ids, 27, "f")
    refuse_missing(tiny_interactions, found, ids, 0.1)
    with pytest.raises(InputError, match=r"3 of the 30 users .* \(10.0%, allowed 9.0%\).*like 100, 101, 102") as error:
        refuse_missing(tiny_interactions, found, ids, 0.09)
    assert "the teacher like 103, 104, 105" in str(error.value)


def test_what_was_never_trained_on_is_not_held_against_a_teacher(tiny_interactions: Interactions) -> None:
    """Items 7 and 8 are in valid and test alone; of the 38 others one is missing."""
    data = tiny_interactions
    keep = ~torch.isin(data.train.indices, torch.tensor([7, 8], dtype=torch.int32))
    data = replace(data, train=CSR.from_pairs(data.train.rows()[keep], data.train.indices[keep], 30))
    ids = pl.Series([100 + item for item in range(40) if item not in (7, 9)])
    found = match(data, "item", ids, 38, "f")
    assert (found.missing, found.trained, found.missing_trained) == (2, 38, 1)
    assert found.missing_share == pytest.approx(1 / 38)
