"""RRD and IR-RRD against their formulas written as loops, and what they draw."""

from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.errors import InputError
from rcekd.methods.common.sides import transposed
from rcekd.methods.rrd import RRD, RRDSettings
from tests.methods.loops import alike, check, kept, plackett_luce, times
from tests.methods.oracle import best
from tests.methods.scene import Scene, all_differ

SHAPE: dict[str, Any] = {"K": 4, "L": 5, "pool": 8, "T": 3.0}
ITEM_SHAPE: dict[str, Any] = {"rho": 0.7, "item_top_k": 3, "item_draws": 4, "item_pool": 6}


def make(scene: Scene, **settings: Any) -> RRD:
    method = scene.method("rrd", **{**SHAPE, **settings})
    assert isinstance(method, RRD)
    method.start_epoch(scene.student, 1)
    return method


def of_user(method: RRD) -> Any:
    lists = method._user_lists
    assert lists is not None

    def loss(_: Tensor, student_I: Tensor, user: int) -> Tensor:
        return plackett_luce(student_I, kept(lists.positive_NK[user]), kept(lists.other_NL[user]))

    return loss


@pytest.mark.parametrize("weighting", ["distinct", "interaction"])
def test_value_and_gradient(scene: Scene, weighting: str) -> None:
    method = make(scene, weighting=weighting)
    check(scene, method, of_user(method))


@pytest.mark.parametrize("items_of", ["drawn", "batch"])
def test_value_and_gradient_of_both_sides(scene: Scene, items_of: str) -> None:
    method = make(scene, items_of=items_of, **ITEM_SHAPE)
    users, items = method._user_lists, method._item_lists
    assert users is not None
    assert items is not None
    chosen = set(scene.batch.positive_B.tolist())
    if items_of == "drawn":
        chosen = {i for user in times(scene) for side in users for i in kept(side[user])}

    def of_item(_: Tensor, student_U: Tensor, item: int) -> Tensor:
        if item not in chosen:
            return student_U.new_zeros(())
        return plackett_luce(student_U, kept(items.positive_NK[item]), kept(items.other_NL[item]))

    check(scene, method, of_user(method), of_item, share=0.7)


def test_what_is_drawn_for_users(uneven_scene: Scene) -> None:
    scene = uneven_scene
    lists = make(scene)._user_lists
    assert lists is not None
    teacher_UI = scene.score_tables()[0].tolist()
    for user in range(scene.data.n_users):
        pool = best(teacher_UI[user], SHAPE["pool"], scene.hidden(user))
        first, others = kept(lists.positive_NK[user]), kept(lists.other_NL[user])
        assert [pool.index(item) for item in first] == sorted(pool.index(item) for item in first)
        assert len({*first}) == SHAPE["K"]
        assert len({*others}) == SHAPE["L"]
        assert not {*others} & {*pool, *scene.hidden(user)}


def test_what_is_drawn_for_items(uneven_scene: Scene) -> None:
    scene = uneven_scene
    lists = make(scene, **ITEM_SHAPE)._item_lists
    assert lists is not None
    teacher_IU = scene.score_tables()[0].T.tolist()
    for item in range(scene.data.n_items):
        seen_by = frozenset(user for user in range(scene.data.n_users) if item in scene.hidden(user))
        pool = best(teacher_IU[item], ITEM_SHAPE["item_pool"], seen_by)
        first, others = kept(lists.positive_NK[item]), kept(lists.other_NL[item])
        assert [pool.index(user) for user in first] == sorted(pool.index(user) for user in first)
        assert len(first) == ITEM_SHAPE["item_top_k"]
        assert not {*others} & {*pool, *seen_by}


@pytest.mark.parametrize("cold", ["T", "item_tau"])
def test_either_side_has_a_temperature_of_its_own(scene: Scene, cold: str) -> None:
    """The cold one takes the best of its pools, the warm one does not."""
    lists = make(scene, **{**ITEM_SHAPE, "T": 1e6, "item_tau": 1e6, cold: 1e-3})
    teacher_UI = scene.score_tables()[0]
    assert lists._user_lists is not None
    assert lists._item_lists is not None
    sides = {
        "T": (lists._user_lists, teacher_UI, scene.data.seen),
        "item_tau": (lists._item_lists, teacher_UI.T, transposed(scene.data.seen, scene.data.n_items)),
    }
    for name, (side, score_NM, seen) in sides.items():
        rows = seen.indices.split(seen.lengths().tolist())
        wanted = [best(s.tolist(), 4, frozenset(row.tolist())) for s, row in zip(score_NM, rows, strict=True)]
        found = side.positive_NK.tolist()
        assert all(f == w[: len(f)] for f, w in zip(found, wanted, strict=True)) == (name == cold)


def test_every_list_is_new_for_every_epoch_and_seed_and_the_same_for_the_same(scene: Scene) -> None:
    found: list[list[Tensor]] = []
    for seed, epoch in ((3, 1), (3, 2), (4, 1), (3, 1)):
        method = make(scene, seed=seed, **ITEM_SHAPE)
        method.start_epoch(scene.student, epoch)
        assert method._user_lists is not None
        assert method._item_lists is not None
        found.append([*method._user_lists, *method._item_lists])
    assert all(map(torch.equal, found[0], found[3]))
    for drawn in zip(*found[:3], strict=True):
        assert all_differ(drawn)


def test_a_distinct_user_counts_alike(scene: Scene) -> None:
    user_R, weight_R = make(scene).rows(scene.batch)
    assert user_R.numel() == len(times(scene))
    assert weight_R.tolist() == pytest.approx([alike(scene)] * user_R.numel())


def test_settings(scene: Scene) -> None:
    assert RRDSettings().needs() == {"lists"}
    assert RRDSettings(rho=0.5).needs() == {"lists", "factors"}
    with pytest.raises(ValueError, match="M 20 is shorter than the 40 drawn from it"):
        RRDSettings(pool=20)
    with pytest.raises(ValueError, match="item_pool 10 is shorter"):
        RRDSettings(item_pool=10)
    with pytest.raises(InputError, match=r"method.M=500 is more than the 40 items"):
        scene.method("rrd")
    with pytest.raises(InputError, match=r"method.item_pool=31 is more than the 30 users"):
        scene.method("rrd", **{**SHAPE, **ITEM_SHAPE, "item_pool": 31})
