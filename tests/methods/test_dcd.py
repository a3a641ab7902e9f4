"""DCD against its formulas written as loops, and the law of its draws."""

import math
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from rcekd.errors import InputError
from rcekd.methods.dcd import DCD, DCDSettings, rank_in_catalogue
from rcekd.models import FactorTables
from tests.methods.loops import check, kept, plackett_luce
from tests.methods.oracle import best
from tests.methods.scene import Scene

POOL, EPS = 10, 0.2
SHAPE: dict[str, Any] = {"K": 3, "L": 4, "eps": EPS, "pool": POOL}
EVERY = [{}, {"pool": None}, {"variant": "code"}, {"rho": 0.4}, {"rho": 0.0}, {"rho": 0.0, "weighting": "interaction"}]


def make(scene: Scene, epoch: int = 1, **settings: Any) -> DCD:
    method = scene.method("dcd", **{**SHAPE, **settings})
    assert isinstance(method, DCD)
    method.start_epoch(scene.student, epoch)
    return method


def gaps(scene: Scene, user: int, variant: str = "paper") -> dict[int, int]:
    """Rˢ − Rᵀ of the items of the teacher's pool, in its order."""
    teacher_UI, _, _, student_UI = scene.score_tables()
    student_I = student_UI[user].tolist()
    pool = best(teacher_UI[user].tolist(), POOL, scene.hidden(user))
    order = best(student_I, len(student_I)) if variant == "code" else sorted(pool, key=lambda i: -student_I[i])
    return {item: order.index(item) - rank for rank, item in enumerate(pool)}


@pytest.mark.parametrize("settings", EVERY, ids=str)
def test_value_and_gradient(scene: Scene, settings: dict[str, Any]) -> None:
    method = make(scene, **settings)
    users, items = method._user_lists, method._item_lists
    assert users is not None
    chosen = set(scene.batch.positive_B.tolist())

    def of_user(_: Tensor, student_I: Tensor, user: int) -> Tensor:
        return plackett_luce(student_I, kept(users.positive_NK[user]), kept(users.other_NL[user]))

    def of_item(_: Tensor, student_U: Tensor, item: int) -> Tensor:
        if items is None or item not in chosen:
            return student_U.new_zeros(())
        return plackett_luce(student_U, kept(items.positive_NK[item]), kept(items.other_NL[item]))

    assert (items is None) == (settings.get("rho") == 0.0 or settings.get("variant") == "code")
    check(scene, method, of_user, of_item, share=settings.get("rho", 1.0))


def test_each_side_holds_its_errors_and_the_under_rated_stand_in_the_teachers_order(scene: Scene) -> None:
    users = make(scene)._user_lists
    assert users is not None
    for user in range(scene.data.n_users):
        gap, pool = gaps(scene, user), list(gaps(scene, user))
        under, over = kept(users.positive_NK[user]), kept(users.other_NL[user])
        assert all(gap[item] > 0 for item in under)
        assert all(gap[item] < 0 for item in over)
        assert len(under) == min(SHAPE["K"], sum(1 for value in gap.values() if value > 0))
        assert len(over) == min(SHAPE["L"], sum(1 for value in gap.values() if value < 0))
        assert under == sorted(under, key=pool.index)


def test_padding_of_a_short_pool_is_never_drawn(scene: Scene) -> None:
    """With a floor every candidate can be drawn, so that lists are full wherever the pool is long enough."""
    assert int(scene.data.seen.lengths().min()) > 0  # all pools are padded
    users = make(scene, variant="code", pool=40)._user_lists
    assert users is not None
    assert bool((users.positive_NK >= 0).all())
    assert bool((users.other_NL >= 0).all())


def test_in_the_whole_catalogue_too(scene: Scene) -> None:
    users = make(scene, pool=None)._user_lists
    assert users is not None
    teacher_UI, _, _, student_UI = scene.score_tables()
    for user in range(scene.data.n_users):
        orders = [
            best(side[user].tolist(), scene.data.n_items, scene.hidden(user)) for side in (teacher_UI, student_UI)
        ]
        under, over = kept(users.positive_NK[user]), kept(users.other_NL[user])
        assert all(orders[1].index(item) > orders[0].index(item) for item in under)
        assert all(orders[1].index(item) < orders[0].index(item) for item in over)
        assert under == sorted(under, key=orders[0].index)


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize("sign", [1, -1])
def test_draws_follow_the_gap(scene: Scene, variant: str, sign: int) -> None:
    """The first draw of one user over many seeds."""
    user, count = 7, dict.fromkeys(gaps(scene, 7), 0)
    floor = 1e-5 if variant == "code" else 0.0
    for seed in range(250):
        method = scene.method("dcd", seed=seed, **{**SHAPE, "variant": variant, "rho": 0.0, "K": 1, "L": 1})
        method.start_epoch(scene.student, 0)
        assert isinstance(method, DCD)
        assert method._user_lists is not None
        for item in kept(method._user_lists[0 if sign > 0 else 1][user]):
            count[item] += 1
    weight = {
        item: max(math.tanh(max(EPS * sign * gap, 0.0)), floor) for item, gap in gaps(scene, user, variant).items()
    }
    likely = [item for item, value in weight.items() if value > 1e-3]
    assert likely
    drawn = sum(count[item] for item in likely)
    assert drawn >= sum(count.values()) - 3
    if len(likely) == 1:
        return  # nothing to compare
    law = [drawn * weight[item] / sum(weight[i] for i in likely) for item in likely]
    assert chisquare([count[item] for item in likely], law).pvalue > 1e-3


def test_a_student_without_errors_has_nothing_to_correct(scene: Scene) -> None:
    scene.student.user.data.copy_(scene.tables.user_UD)
    scene.student.item.data.copy_(scene.tables.item_ID)
    method = make(scene)
    assert method.loss(scene.student, scene.batch).item() == 0.0
    assert method.report() == {"under": 0.0}


def test_the_item_side_ranks_unseen_users(scene: Scene) -> None:
    items = make(scene)._item_lists
    assert items is not None
    for item in range(scene.data.n_items):
        drawn = {*kept(items.positive_NK[item]), *kept(items.other_NL[item])}
        assert drawn
        assert not any(item in scene.hidden(user) for user in drawn)


@pytest.mark.parametrize(("users", "dim"), [(1, 20), (30, 400)])
def test_no_item_is_ranked_below_itself(users: int, dim: int) -> None:
    """Its score is one of those it is compared with, to the last bit; a product sums in orders of its own."""
    generator = torch.Generator().manual_seed(5)
    student = FactorTables(torch.randn(users, dim, generator=generator), torch.randn(200, dim, generator=generator))
    pool_UI = torch.stack([torch.randperm(200, generator=generator) for _ in range(users)]).int()
    pool_UI[:, -1] = -1
    rank_UI, score_UI = rank_in_catalogue(student, pool_UI), student.user_UD @ student.item_ID.T
    for rank, pool, score in zip(rank_UI.tolist(), pool_UI[:, :-1].tolist(), score_UI.tolist(), strict=True):
        assert rank[:-1] == [sum(other > score[item] for other in score) for item in pool]


def test_settings(scene: Scene) -> None:
    code = DCDSettings(variant="code")
    assert (code.item_weight, code.ranks, code.teacher_order, code.floor) == (0.0, "catalogue", False, 1e-5)
    assert code.needs() == {"lists"}
    assert DCDSettings().needs() == {"lists", "factors"}
    with pytest.raises(ValueError, match="pool 30 is shorter than K = 40"):
        DCDSettings(pool=30)
    with pytest.raises(ValueError, match="need a pool"):
        DCDSettings(pool=None, variant="code")
    with pytest.raises(InputError, match=r"method.pool=500 is more than the 40 items"):
        scene.method("dcd")
    with pytest.raises(InputError, match=r"method.pool=35 is more than the 30 users.*rho=0"):
        scene.method("dcd", **{**SHAPE, "pool": 35})


def test_both_variants_draw_otherwise(scene: Scene) -> None:
    losses = [make(scene, rho=0.0, variant=variant).loss(scene.student, scene.batch) for variant in ("paper", "code")]
    assert not torch.equal(*losses)
