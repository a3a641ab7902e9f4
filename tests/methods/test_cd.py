"""CD against its formulas written as loops, and the law of its samples."""

import math
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor
from torch.nn.functional import logsigmoid

from rcekd.kernels.topk import topk
from rcekd.methods import cd
from rcekd.methods.cd import CD, CDSettings
from rcekd.methods.common.sampling import take
from tests.methods.loops import check, kept
from tests.methods.oracle import best
from tests.methods.scene import Scene, all_differ

N = 6


def make(scene: Scene, seed: int = 3, **settings: Any) -> CD:
    method = scene.method("cd", seed=seed, **{"n": N, **settings})
    assert isinstance(method, CD)
    return method


def samples(scene: Scene, epoch: int = 0, seed: int = 3, **settings: Any) -> Tensor:
    method = make(scene, seed, **settings)
    method.start_epoch(scene.student, epoch)
    assert method._item_UN is not None
    return method._item_UN


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize(("t1", "t2", "pool"), [(2.0, 0.0, 3000), (1.5, -0.5, 3000), (2.0, 0.0, N - 2)])
def test_value_and_gradient(scene: Scene, variant: str, t1: float, t2: float, pool: int) -> None:
    method = make(scene, variant=variant, t1=t1, t2=t2, R=pool)
    method.start_epoch(scene.student, 2)
    item_UN = method._item_UN
    assert item_UN is not None

    def of_user(teacher_I: Tensor, student_I: Tensor, user: int) -> Tensor:
        total = student_I.new_zeros(())
        for item in kept(item_UN[user]):
            q = 1.0 / (1.0 + math.exp(-(float(teacher_I[item]) + t2) / t1))
            total = total - q * logsigmoid(student_I[item]) - (1.0 - q) * logsigmoid(-student_I[item])
        return total

    check(scene, method, of_user)


@pytest.mark.parametrize("guide", ["student", "teacher"])
@pytest.mark.parametrize("distinct", [True, False])
def test_samples_come_from_the_guides_best(scene: Scene, guide: str, distinct: bool) -> None:
    pool = 9
    teacher_UI, _, _, student_UI = scene.score_tables()
    guide_UI = teacher_UI if guide == "teacher" else student_UI.detach()
    item_UN = samples(scene, guide=guide, distinct=distinct, R=pool)
    for user, row in enumerate(item_UN):
        assert set(kept(row)) <= set(best(guide_UI[user].tolist(), pool, scene.hidden(user)))
        assert len(kept(row)) == N
        assert len(set(kept(row))) == N or not distinct


def test_repeats_occur_only_in_the_codes_variant(scene: Scene) -> None:
    pool = {"R": 9}
    assert any(len(set(row)) < N for row in samples(scene, variant="code", **pool).tolist())
    assert all(len(set(row)) == N for row in samples(scene, variant="paper", **pool).tolist())


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_samples_are_new_for_every_epoch_and_seed(scene: Scene, variant: str) -> None:
    found = [samples(scene, epoch, seed, variant=variant) for seed, epoch in ((3, 0), (3, 1), (4, 0))]
    assert all_differ(found)
    assert torch.equal(found[0], samples(scene, 0, 3, variant=variant))


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_the_better_of_two_ranks_is_sampled(scene: Scene, variant: str) -> None:
    """One sample a user and epoch, so that the law is the tournament's in both variants."""
    pool, tau = 5, 0.5
    teacher_UI = scene.score_tables()[0]
    count = [0] * pool
    for epoch in range(60):
        item_U1 = samples(scene, epoch, variant=variant, guide="teacher", n=1, R=pool, T=tau)
        for user, row in enumerate(item_U1):
            count[best(teacher_UI[user].tolist(), pool, scene.hidden(user)).index(int(row))] += 1
    p = [math.exp(-rank / pool / tau) for rank in range(1, pool + 1)]
    law = [sum(p[a] * p[b] for a in range(pool) for b in range(pool) if min(a, b) == rank) for rank in range(pool)]
    assert chisquare(count, [sum(count) * value / sum(law) for value in law]).pvalue > 1e-3


def test_the_students_ranking_is_followed_from_epoch_to_epoch(scene: Scene) -> None:
    method = make(scene, R=N)
    method.start_epoch(scene.student, 0)
    before = method._item_UN
    assert before is not None
    scene.student.item.data.neg_()
    method.start_epoch(scene.student, 0)
    after = method._item_UN
    assert after is not None
    assert not torch.equal(before.sort(1).values, after.sort(1).values)


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize("pool", [5, 1000])
def test_blocks_of_users_give_what_the_whole_ranking_does(
    scene: Scene, variant: str, pool: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cd, "blocks", lambda rows, _: (slice(at, min(at + 2, rows)) for at in range(0, rows, 2)))
    method = make(scene, variant=variant, R=pool)
    method.start_epoch(scene.student, 0)
    tables, length = scene.student.tables(), min(pool, scene.data.n_items)
    ranked_UM, _ = topk(tables.user_UD, tables.item_ID, length, seen=scene.data.seen)
    place_UN = method._places(length, (ranked_UM >= 0).sum(1), 0)
    assert method._item_UN is not None
    assert torch.equal(method._item_UN, take(ranked_UM, place_UN))


def test_settings() -> None:
    assert CDSettings().distinct
    assert not CDSettings(variant="code").distinct
    for wrong in ({"n": 0}, {"T": 0.0}, {"t1": 0}, {"guide": "both"}, {"R": 0}):
        with pytest.raises(ValueError, match="validation error"):
            CDSettings.model_validate(wrong)
