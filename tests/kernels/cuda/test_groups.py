"""Gradient tables summed by groups of entries (csrc/cuda/groups.h), small and large, against the native ones."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor

from rcekd.kernels import batch_rows, bpr, set_cross_entropy
from rcekd.kernels.bpr import bpr_loss
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.sets import ItemSets
from tests.kernels.cuda.test_training import Check, factors, generator, ids, with_gradients

Emulation = Callable[[int], AbstractContextManager[None]]


def equal_sets(item_SW: Tensor) -> ItemSets:
    """A set per row of items."""
    sets, width = item_SW.shape
    prob = torch.rand(sets * width, generator=generator(4))
    return ItemSets(torch.arange(sets + 1) * width, item_SW.flatten().to(torch.int32), prob)


def check_sets(same_as_native: Check, tables: tuple[Tensor, Tensor], sets: ItemSets, user_R: Tensor) -> None:
    set_R, weight_R = torch.arange(user_R.numel()), torch.rand(user_R.numel(), generator=generator(7))
    set_R = set_R % (sets.indptr.numel() - 1)
    same_as_native(
        lambda: with_gradients(
            tables, lambda: set_cross_entropy.set_cross_entropy(*tables, sets, user_R, set_R, weight_R)
        )
    )


@pytest.mark.parametrize("width", [4, 20, 37, 68])
@pytest.mark.parametrize("rows", [32, 33, 64, 256, 257, 700])
def test_an_item_that_all_rows_have(same_as_native: Check, rows: int, width: int) -> None:
    """Groups of as many entries as one warp, one sort by counting and one by bins can take, and of one more."""
    tables = factors(9, 20, width)
    item_RW = ids(20, rows, 3, seed=5)
    item_RW[:, 1] = 7
    check_sets(same_as_native, tables, equal_sets(item_RW), ids(9, rows, seed=6))


def test_an_item_that_thousands_of_rows_have(same_as_native: Check) -> None:
    """More rows than there are bins, so that several rows share one."""
    item_RW = torch.full((6, 1), 3)
    check_sets(same_as_native, factors(5000, 4, 4), equal_sets(item_RW), torch.randperm(5000, generator=generator(3)))


def test_an_item_that_sets_hold_many_times(same_as_native: Check) -> None:
    item_RW = torch.full((8, 70), 2)
    item_RW[::2, ::3] = 0
    check_sets(same_as_native, factors(3, 5, 20), equal_sets(item_RW), ids(3, 8, seed=6))


def test_ids_of_more_than_sixteen_bits(same_as_native: Check) -> None:
    tables = factors(9, 66_000, 1)
    item_RW = ids(66_000, 50, 4, seed=5)
    item_RW[:40, 0], item_RW[:, 1] = 65_999, 65_536 + 7
    check_sets(same_as_native, tables, equal_sets(item_RW), ids(9, 50, seed=6))


def test_a_user_and_an_item_of_all_samples(same_as_native: Check) -> None:
    tables = factors(6, 11, 20)
    user_B, positive_B, negative_BN = ids(6, 400), ids(11, 400, seed=2), ids(11, 400, 5, seed=3)
    user_B[:300], positive_B[50:] = 4, 10
    same_as_native(lambda: with_gradients(tables, lambda: bpr_loss(*tables, user_B, positive_B, negative_BN)))


def test_lists_that_share_an_item(same_as_native: Check) -> None:
    tables = factors(300, 9, 20)
    item_RW = ids(9, 300, 4, lowest=-1)
    item_RW[:, 2] = 8
    same_as_native(lambda: with_gradients(tables, lambda: list_scores(*tables, item_RW).square().sum()))


@pytest.mark.parametrize("negatives", [1, 3, 6])
@pytest.mark.parametrize("field", ["user_B", "positive_B", "negative_BN"])
@pytest.mark.parametrize("wrong", [-1, 5])
def test_bpr_looks_at_its_ids(emulation: Emulation, field: str, wrong: int, negatives: int) -> None:
    batch = {"user_B": ids(5, 40), "positive_B": ids(5, 40, seed=2), "negative_BN": ids(5, 40, negatives, seed=3)}
    batch[field].view(-1)[-1] = wrong
    with emulation(0), pytest.raises(RuntimeError, match=r"must lie in \[0, (users|items)\)"):
        bpr._operation(*factors(5, 5, 4), *batch.values(), True, True)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("items", 9),
        ("items", -1),
        ("user_R", 5),
        ("user_R", -1),
        ("set_R", 6),
        ("set_R", -1),
        ("indptr", 43),
        ("indptr", 34),
        ("indptr", -(2**63)),
    ],
)
def test_set_cross_entropy_looks_at_its_ids(emulation: Emulation, field: str, wrong: int) -> None:
    sets = equal_sets(ids(9, 6, 7))
    given = {"indptr": sets.indptr, "items": sets.items, "prob": sets.prob}
    given |= {"user_R": ids(5, 6), "set_R": torch.arange(6, dtype=torch.int32), "weight_R": torch.ones(6)}
    given[field][-1] = wrong
    with emulation(0), pytest.raises(RuntimeError, match=r"(user_R|set_R|sets\.items|sets\.indptr) must"):
        set_cross_entropy._operation(*factors(5, 9, 4), *given.values(), 1.0, 42, True, True)


@pytest.mark.parametrize("wrong", [-1, 5])
def test_batch_rows_looks_at_its_ids(emulation: Emulation, wrong: int) -> None:
    user_B = ids(5, 40)
    user_B[-1] = wrong
    with emulation(0), pytest.raises(RuntimeError, match=r"user_B must lie in \[0, users\)"):
        batch_rows._operation(user_B, torch.ones(2, 5), None)
