"""What RCE-KD draws from and by which weights: at a tiny τ the draws are the items of largest exponent, for certain."""

import math
from itertools import chain
from typing import Any

import pytest
import torch

from rcekd.methods import RCEKD
from tests.methods.oracle import Rules, best, pool
from tests.methods.scene import Scene

K, L = 8, 6
SWITCHES: list[dict[str, Any]] = [
    {},
    {"horizon": 15},
    {"exclude_teacher": False},
    {"raised_by": "teacher"},
    {"inclusive": True},
    {"clip": 2},
    {"horizon": 15, "by_rank": True},
]
CODE = {"horizon": 15, "exclude_teacher": False, "raised_by": "teacher", "inclusive": True, "clip": 50}
TEXT = {"horizon": None, "exclude_teacher": True, "raised_by": "missing", "inclusive": False, "clip": None}
BACK: list[dict[str, Any]] = [{key: value} for key, value in TEXT.items()]


def drawn(scene: Scene, tau: float, settings: dict[str, Any]) -> list[list[int]]:
    method = scene.method(K=K, L=L, tau=tau, **settings)
    assert isinstance(method, RCEKD)
    tables = scene.student.tables()
    seen = scene.data.seen if settings.get("mask") == "train" else None
    teacher_UK = method._knowledge.top_items(K, seen)
    return [[j for j in row if j >= 0] for row in method._sample(tables, teacher_UK, 0)[2].tolist()]


def check(scene: Scene, rules: Rules, settings: dict[str, Any], *, masked: bool = False) -> None:
    teacher_UI, _, _, student_UI = scene.score_tables()
    for user, row in enumerate(drawn(scene, 1e-3, settings)):
        hidden = scene.hidden(user) if masked else frozenset()
        exponent = pool(student_UI[user].tolist(), teacher_UI[user].tolist(), rules, hidden)
        assert len(set(row)) == len(row) == min(L, len(exponent))
        assert set(row) <= set(exponent)
        assert sorted((exponent[j] for j in row), reverse=True) == sorted(exponent.values(), reverse=True)[: len(row)]


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_each_departure_alone_on_the_text(scene: Scene, switch: dict[str, Any]) -> None:
    check(scene, Rules(K, L, **switch), {"variant": "paper", **switch})


@pytest.mark.parametrize("switch", [{}, *BACK, {"horizon": 8}], ids=str)
def test_each_departure_taken_back_in_the_code(scene: Scene, switch: dict[str, Any]) -> None:
    check(scene, Rules(K, L, **{**CODE, **switch}), {"variant": "code", "horizon": 15, **switch})


def test_a_clip_makes_equals_of_what_is_above_it(scene: Scene) -> None:
    """Unclipped, at this τ, those of largest exponent are certain; clipped, chance takes some user's beyond them."""
    teacher_UI, _, _, student_UI = scene.score_tables()
    beyond = 0
    for user, row in enumerate(drawn(scene, 1e-3, {"clip": 1})):
        exponent = pool(student_UI[user].tolist(), teacher_UI[user].tolist(), Rules(K, L))
        beyond += sum(exponent[j] for j in row) < sum(sorted(exponent.values(), reverse=True)[:L])
    assert beyond > 10


@pytest.mark.parametrize("settings", [{}, {"horizon": 15}, {"horizon": 15, "exclude_teacher": False}], ids=str)
def test_training_items_masked(scene: Scene, settings: dict[str, Any]) -> None:
    check(scene, Rules(K, L, **settings), {"mask": "train", **settings}, masked=True)


def test_a_warm_tau_draws_beyond_the_largest(scene: Scene) -> None:
    cold, warm = drawn(scene, 1e-3, {}), drawn(scene, 1e3, {})
    teacher_UI, _, _, student_UI = scene.score_tables()
    exponents = [pool(s.tolist(), t.tolist(), Rules(K, L)) for t, s in zip(teacher_UI, student_UI, strict=True)]
    mean_cold, mean_warm = (
        sum(chain.from_iterable((e[j] for j in row) for e, row in zip(exponents, rows, strict=True)))
        for rows in (cold, warm)
    )
    assert mean_warm < 0.8 * mean_cold


@pytest.mark.parametrize("horizon", [None, 15])
def test_training_items_masked_from_every_set(scene: Scene, horizon: int | None) -> None:
    method = scene.method(K=K, L=L, mask="train", horizon=horizon)
    assert isinstance(method, RCEKD)
    lists, _ = method._lists(scene.student.tables(), 0)
    teacher_UI, _, _, student_UI = scene.score_tables()
    for user in range(scene.data.n_users):
        hidden = scene.hidden(user)
        assert lists[0][user].tolist() == best(student_UI[user].tolist(), K, hidden)
        mixed = {j for j in lists[1][user].tolist() if j >= 0}
        assert not mixed & hidden
        missing = {*best(teacher_UI[user].tolist(), K, hidden)} - {*lists[0][user].tolist()}
        assert missing <= mixed


@pytest.mark.parametrize("without", ["student", "teacher"])
def test_training_items_masked_from_the_ablations(scene: Scene, without: str) -> None:
    method = scene.method(K=K, L=L, mask="train", without=without)
    assert isinstance(method, RCEKD)
    (found_UK,), _ = method._lists(scene.student.tables(), 0)
    score_UI = scene.score_tables()[0 if without == "student" else 3]
    for user, row in enumerate(found_UK.tolist()):
        assert row == best(score_UI[user].tolist(), K, scene.hidden(user))


def test_gamma_is_by_the_list_that_there_is(scene: Scene) -> None:
    """Masked, Qᵀ is shorter than K, and all of it stands in Qˢ: s_u = 1."""
    free = scene.data.n_items - int(scene.data.seen.lengths().max())
    method = scene.method(K=free + 1, L=L, mask="train", beta=2.0)
    assert isinstance(method, RCEKD)
    _, (_, gamma_U) = method._lists(scene.student.tables(), 0)
    short_U = scene.data.seen.lengths() == scene.data.n_items - free
    torch.testing.assert_close(gamma_U[short_U], torch.full((int(short_U.sum()),), math.exp(-2.0)))


def test_a_catalogue_smaller_than_the_draws(scene: Scene) -> None:
    """|I ∖ Qᵀ| < L: all that is left is drawn, the rest is padding, and the loss is finite."""
    method = scene.method(K=30, L=25)
    assert isinstance(method, RCEKD)
    draw_UL = method._sample(scene.student.tables(), method._knowledge.top_items(30), 0)[2]
    assert (draw_UL >= 0).sum(1).tolist() == [10] * scene.data.n_users
    method.start_epoch(scene.student, 0)
    assert torch.isfinite(method.loss(scene.student, scene.batch))
