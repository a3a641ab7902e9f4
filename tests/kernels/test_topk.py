"""The native top-K against its twin: same sets, same scores bit for bit, on every instruction set."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.kernels import _native
from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.topk import topk as reference_topk
from rcekd.kernels.topk import topk
from tests.kernels.scene import factors, history

# users, items, width, k: odd sizes, every width the panels and tiles can cut badly, k beyond the catalogue.
SHAPES = [
    (1, 1, 1, 1),
    (7, 30, 3, 5),
    (5, 10, 5, 20),
    (13, 100, 20, 7),
    (65, 1000, 64, 20),
    (3, 700, 400, 300),
    (33, 2000, 20, 100),
    (2, 1500, 8, 700),
]


on_every_isa = pytest.mark.usefixtures("_isa")


def assert_same(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1].view(torch.int32), expected[1].view(torch.int32))


@cache
def cases(shape: tuple[int, int, int, int], tied: bool) -> list[tuple[Any, ...]]:
    """Factors, k, a history, and the twin's answer."""
    users, items, width, k = shape
    user, item = factors(users, items, width, tied=tied)
    histories = (None, history(users, items, 0.1), history(users, items, 0.9))
    return [(user, item, k, seen, reference_topk(user, item, k, seen=seen)) for seen in histories]


@on_every_isa
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_twin(shape: tuple[int, int, int, int], tied: bool) -> None:
    for user, item, k, seen, expected in cases(shape, tied):
        assert_same(topk(user, item, k, seen=seen), expected)


@on_every_isa
def test_chosen_users_in_the_order_given() -> None:
    user, item = factors(20, 300, 8)
    seen = history(20, 300, 0.2)
    chosen = torch.tensor([3, 19, 3, 0])
    assert_same(
        topk(user, item, 9, users_B=chosen, seen=seen), tuple(t[chosen] for t in topk(user, item, 9, seen=seen))
    )


@on_every_isa
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_all_scores_equal_lists_lowest_ids(value: float) -> None:
    user, item = torch.full((9, 4), value), torch.ones(500, 4)
    item_BK, score_BK = topk(user, item, 30)
    assert torch.equal(item_BK, torch.arange(30, dtype=torch.int32).expand(9, -1))
    assert bool((score_BK == 4 * value).all())


@on_every_isa
def test_scores_rising_with_the_id_fill_the_buffer_at_every_panel() -> None:
    item = torch.arange(5000.0)[:, None]
    assert torch.equal(topk(torch.ones(3, 1), item, 4)[0][0], torch.tensor([4999, 4998, 4997, 4996], dtype=torch.int32))


@on_every_isa
def test_negative_scores_are_not_beaten_by_the_filling() -> None:
    user, item = torch.ones(2, 3), -torch.ones(7, 3)
    item_BK, score_BK = topk(user, item, 9)
    assert item_BK[0].tolist() == [0, 1, 2, 3, 4, 5, 6, -1, -1]
    assert score_BK[1, 6:].tolist() == [-3.0, -float("inf"), -float("inf")]


@on_every_isa
def test_everything_seen() -> None:
    user, item = factors(2, 40, 3)
    seen = CSR(torch.tensor([0, 40, 40]), torch.arange(40, dtype=torch.int32))
    item_BK, score_BK = topk(user, item, 3, seen=seen)
    assert item_BK[0].tolist() == [-1, -1, -1]
    assert bool((score_BK[0] == -torch.inf).all())
    assert bool((item_BK[1] >= 0).all())


def test_no_users_and_no_items() -> None:
    user, item = factors(4, 5, 2)
    assert topk(user, item, 3, users_B=torch.empty(0, dtype=torch.int64))[0].shape == (0, 3)
    assert topk(user, item[:0], 2)[0].tolist() == [[-1, -1]] * 4


@on_every_isa
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_scores_that_are_not_finite_name_the_user(value: float) -> None:
    user, item = factors(70, 60, 5)
    user[66] = value
    with pytest.raises(FloatingPointError, match="user 66 "):
        topk(user, item, 3)
    assert topk(user, item, 3, users_B=torch.arange(66))[0].shape == (66, 3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_bad_item_factors_name_the_first_user(value: float) -> None:
    user, item = factors(4, 60, 5)
    item[59, 4] = value
    with pytest.raises(FloatingPointError, match="user 2 "):
        topk(user, item, 3, users_B=torch.tensor([2, 1]))


@on_every_isa
def test_large_finite_scores_pass() -> None:
    user, item = factors(5, 90, 3)
    assert_same(topk(user * 1e19, item * 1e18, 7), reference_topk(user * 1e19, item * 1e18, 7))


def test_same_bytes_for_any_threads_batch_and_instruction_set() -> None:
    user, item = factors(301, 1500, 20)
    seen = history(301, 1500, 0.05)
    expected = topk(user, item, 25, seen=seen)
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        assert_same(topk(user, item, 25, seen=seen), expected)
    for size in (1, 7, 128):
        parts = [topk(user, item, 25, users_B=part, seen=seen) for part in torch.arange(301).split(size)]
        assert_same((torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])), expected)
    for name in ("scalar", "avx2", "avx512"):
        if _native.set_isa(name):
            assert_same(topk(user, item, 25, seen=seen), expected)


def test_misuse_is_refused() -> None:
    user, item = factors(4, 5, 2)
    with pytest.raises(TypeError, match="float32"):
        topk(user.double(), item, 1)
    with pytest.raises(ValueError, match="width"):
        topk(user, item[:, :1], 1)
    with pytest.raises(ValueError, match="k must"):
        topk(user, item, 0)
    with pytest.raises(ValueError, match="users_B"):
        topk(user, item, 1, users_B=torch.tensor([4]))
    with pytest.raises(ValueError, match="seen"):
        topk(user, item, 1, seen=CSR(torch.zeros(3, dtype=torch.int64), torch.empty(0, dtype=torch.int32)))
