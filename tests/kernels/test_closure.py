"""The closure pass against its twin, which enumerates every item: lists, scores, splits and draws on every option."""

import itertools
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.kernels import _native
from rcekd.kernels.closure import Closure, closure
from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.closure import closure as reference_closure
from rcekd.kernels.reference.topk import topk as reference_topk
from tests.kernels.scene import factors, history

# users, items, width, K, L: odd sizes, K and L beyond the catalogue. Catalogues this small are buffered whole, so that
# even the draws equal the twin's.
SHAPES = [
    (1, 1, 1, 1, 1),
    (7, 30, 3, 5, 8),
    (5, 10, 5, 20, 30),
    (13, 100, 20, 7, 1),
    (35, 500, 64, 20, 50),
    (3, 700, 400, 300, 100),
    (2, 1500, 8, 400, 300),
]
OPTIONS = [
    {},
    {"raised_by": "teacher"},
    {"inclusive": True},
    {"clip": 2},
    {"exclude_teacher": False},
    {"raised_by": "teacher", "inclusive": True, "clip": 50, "exclude_teacher": False},
]


on_every_isa = pytest.mark.usefixtures("_isa")


def teacher_lists(user_UD: Tensor, item_ID: Tensor, k: int) -> Tensor:
    """Top-K of a teacher that half agrees with the student; every fifth row is cut short."""
    other = torch.Generator().manual_seed(8)
    noise_UD = torch.randn(user_UD.shape, generator=other) * user_UD.std(unbiased=False)
    item_UK = reference_topk(user_UD + noise_UD, item_ID, k)[0]
    item_UK[::5, k // 2 :] = -1
    return item_UK


def parts(found: Closure) -> list[Tensor]:
    return [
        found.student_item_BK,
        found.student_score_BK.view(torch.int32),
        found.mastered_BK,
        found.draw_BL,
        found.draw_score_BL.view(torch.int32),
    ]


def assert_same(found: Closure, expected: Closure) -> None:
    for a, b in zip(parts(found), parts(expected), strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


Case = tuple[tuple[Tensor, Tensor, Tensor], dict[str, Any], Closure]


@cache
def cases(shape: tuple[int, int, int, int, int], tied: bool) -> list[Case]:
    """Arguments and the twin's answer, for every option and several histories."""
    users, items, width, k, draws = shape
    user, item = factors(users, items, width, tied=tied)
    tables = user, item, teacher_lists(user, item, k)
    histories = (None, history(users, items, 0.1), history(users, items, 0.9))
    given = [
        {"draws": draws, "tau": 2.0, "seed": 3, "epoch": 4, "seen": seen, **options}
        for seen, options in itertools.product(histories, OPTIONS)
    ]
    return [(tables, named, reference_closure(*tables, **named)) for named in given]


@on_every_isa
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_twin(shape: tuple[int, int, int, int, int], tied: bool) -> None:
    for tables, given, expected in cases(shape, tied):
        assert_same(closure(*tables, **given), expected)


@on_every_isa
def test_draws_whose_times_only_float64_tells_apart() -> None:
    """At so low a temperature the times of items of one z round to the same float32."""
    user, item = factors(2, 1500, 8)
    given: dict[str, Any] = {"draws": 300, "tau": 1e-6, "seed": 1, "epoch": 2}
    tables = user, item, teacher_lists(user, item, 400)
    assert_same(closure(*tables, **given), reference_closure(*tables, **given))


def high_closure(user: Tensor, item: Tensor, teacher: Tensor, draws: int, high: int) -> Closure:
    """With the number of items raced one by one given."""
    users = torch.arange(user.shape[0], dtype=torch.int32)
    options = [3, 4, -1, False, False, True]
    return Closure(*torch.ops.rcekd.closure(user, item, teacher, users, None, None, draws, 2.0, options, high))


@on_every_isa
@pytest.mark.parametrize("tied", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("high", [-1, 0, 1, 20, 100, 1000, 6000])
def test_lists_do_not_depend_on_what_is_enumerated(high: int, tied: bool) -> None:
    user, item = factors(9, 6000, 12, tied=tied)
    teacher = teacher_lists(user, item, 20)
    found = high_closure(user, item, teacher, 40, high)
    expected = reference_closure(user, item, teacher, draws=40, tau=2.0, seed=3, epoch=4)
    for a, b in zip(parts(found)[:3], parts(expected)[:3], strict=True):
        assert torch.equal(a, b)
    assert_admissible(found, user, item, teacher)
    if high == 6000:
        assert_same(found, expected)


def assert_admissible(found: Closure, user: Tensor, item: Tensor, teacher: Tensor) -> None:
    """Draws are distinct, outside the teacher's list, and carry the student's scores."""
    for row, drawn_L in enumerate(found.draw_BL.tolist()):
        assert len(set(drawn_L)) == len(drawn_L)
        assert not set(drawn_L) & set(teacher[row].tolist())
        score_L = reference_topk(user[row : row + 1], item[found.draw_BL[row].long()], len(drawn_L))[1][0]
        assert torch.equal(found.draw_score_BL[row].sort(descending=True).values, score_L)


@on_every_isa
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
@pytest.mark.parametrize("high", [-1, 0, 30])
def test_all_scores_equal(value: float, high: int) -> None:
    user, item = torch.full((5, 4), value), torch.ones(5000, 4)
    teacher = torch.arange(100, 130, dtype=torch.int32).expand(5, -1).contiguous()
    found = high_closure(user, item, teacher, 60, high)
    assert torch.equal(found.student_item_BK, torch.arange(30, dtype=torch.int32).expand(5, -1))
    assert not bool(found.mastered_BK.any())
    assert_admissible(found, user, item, teacher)


@on_every_isa
@pytest.mark.parametrize("tau", [1e-6, 0.1, 10.0, 1e30])
def test_extreme_weights_stay_in_range(tau: float) -> None:
    """K = 1000 missed items: e^{z / tau} itself would overflow any format."""
    item = torch.linspace(1, -1, 9000)[:, None].contiguous()
    teacher = torch.arange(2000, 9000, 7, dtype=torch.int32)[:1000].expand(2, -1).contiguous()
    found = closure(torch.ones(2, 1), item, teacher, draws=2500, tau=tau, seed=0, epoch=0)
    assert_admissible(found, torch.ones(2, 1), item, teacher)
    if tau <= 0.1:  # every item above all missed ones comes before every other
        assert bool((found.draw_BL[:, :2000] < 2000).all())
        assert bool((found.draw_BL[:, 2000:] > 2000).all())


def test_repeated_teacher_items_count_once() -> None:
    user, item = factors(4, 50, 3)
    once = torch.tensor([[7, 11, 3, -1, -1]]).expand(4, -1).int()
    twice = torch.tensor([[7, 7, 11, 3, 11]]).expand(4, -1).int()
    a, b = (closure(user, item, t, draws=45, tau=1.0, seed=0, epoch=0) for t in (once, twice))
    assert torch.equal(a.draw_BL[:, :44], b.draw_BL[:, :44])
    assert torch.equal(a.mastered_BK[:, [0, 0, 1, 2, 1]], b.mastered_BK)


def test_no_draws_no_users_no_items() -> None:
    user, item = factors(3, 20, 2)
    teacher = teacher_lists(user, item, 4)
    given = {"tau": 1.0, "seed": 0, "epoch": 0}
    assert closure(user, item, teacher, draws=0, **given).draw_BL.shape == (3, 0)
    nobody = closure(user, item, teacher[:0], draws=2, users_B=torch.empty(0, dtype=torch.int64), **given)
    assert nobody.student_item_BK.shape == (0, 4)
    nothing = closure(user, item[:0], torch.full((3, 4), -1), draws=2, **given)
    assert bool((nothing.draw_BL == -1).all())
    assert bool((nothing.student_item_BK == -1).all())


@on_every_isa
def test_heavy_histories_fall_back_and_stay_right() -> None:
    """Users who have seen almost everything, or all their best items: the guessed threshold cannot hold."""
    user, item = factors(6, 5000, 8)
    best = reference_topk(user, item, 5000)[0].long()
    rows = [best[0, :4990], best[1, :2500], best[2, :1], best[3, :0], best[4], best[5, 100:]]
    seen = CSR.from_pairs(
        torch.cat([torch.full((len(r),), n) for n, r in enumerate(rows)]), torch.cat([r.sort().values for r in rows]), 6
    )
    teacher = teacher_lists(user, item, 30)
    given = {"draws": 25, "tau": 3.0, "seed": 0, "epoch": 0, "seen": seen}
    found, expected = closure(user, item, teacher, **given), reference_closure(user, item, teacher, **given)
    for a, b in zip(parts(found)[:3], parts(expected)[:3], strict=True):
        assert torch.equal(a, b)
    for row, r in enumerate(rows):
        drawn = {i for i in found.draw_BL[row].tolist() if i >= 0}
        assert not drawn & (set(r.tolist()) | set(teacher[row].tolist()))
        assert len(drawn) == int((expected.draw_BL[row] >= 0).sum())


def test_same_bytes_for_any_threads_batch_and_instruction_set() -> None:
    user, item = factors(203, 5000, 20)
    teacher, seen = teacher_lists(user, item, 25), history(203, 5000, 0.02)
    given = {"draws": 30, "tau": 5.0, "seed": -2, "epoch": 11, "seen": seen}
    expected = closure(user, item, teacher, **given)
    for name, threads in itertools.product(("scalar", "avx2", "avx512"), (1, 2, 3)):
        if _native.set_isa(name):
            torch.set_num_threads(threads)
            assert_same(closure(user, item, teacher, **given), expected)
    for size in (1, 7, 100):
        split = [closure(user, item, teacher[b], users_B=b, **given) for b in torch.arange(203).split(size)]
        for column, whole in zip(zip(*map(parts, split), strict=True), parts(expected), strict=True):
            assert torch.equal(torch.cat(column), whole)


def test_seed_and_epoch_change_the_draws_only() -> None:
    user, item = factors(20, 3000, 8)
    teacher = teacher_lists(user, item, 10)
    a, b, c = (closure(user, item, teacher, draws=10, tau=1.0, seed=s, epoch=e) for s, e in ((0, 0), (1, 0), (0, 1)))
    assert torch.equal(a.student_item_BK, b.student_item_BK)
    assert all(not torch.equal(x.draw_BL, y.draw_BL) for x, y in itertools.combinations((a, b, c), 2))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_name_the_user(value: float) -> None:
    user, item = factors(70, 60, 5)
    teacher = teacher_lists(user, item, 3)
    user[66] = value
    with pytest.raises(FloatingPointError, match="user 66 "):
        closure(user, item, teacher, draws=2, tau=1.0, seed=0, epoch=0)


def test_misuse_is_refused() -> None:
    user, item = factors(4, 9, 2)
    teacher = teacher_lists(user, item, 3)
    given = {"draws": 2, "tau": 1.0, "seed": 0, "epoch": 0}
    wrong = [
        ({"teacher_item_BK": teacher[:3]}, "teacher_item_BK must be"),
        ({"teacher_item_BK": teacher + 9}, "teacher_item_BK"),
        ({"draws": -1}, "draws"),
        ({"tau": 0.0}, "tau"),
        ({"tau": float("nan")}, "tau"),
        ({"clip": -1}, "clip"),
        ({"epoch": -1}, "epoch"),
        ({"raised_by": "student"}, "raised_by"),
    ]
    for change, message in wrong:
        with pytest.raises(ValueError, match=message):
            closure(user, item, **{"teacher_item_BK": teacher, **given, **change})
