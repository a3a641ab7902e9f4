"""RD against its formulas written as loops."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rcekd.methods.rd import RD, RDSettings, estimated_rank
from tests.methods.loops import check, kept
from tests.methods.oracle import best
from tests.methods.scene import Scene, all_differ

K, Q, SHARPNESS = 5, 7, 0.02  # so that tanh is far from 1 and every rank counts


def make(scene: Scene, **settings: Any) -> RD:
    method = scene.method("rd", K=K, Q=Q, mu=SHARPNESS, warm_up=4, **settings)
    assert isinstance(method, RD)
    return method


def position(scale: float = 1.0) -> list[float]:
    weight = [math.exp(-rank / scale) for rank in range(1, K + 1)]
    return [w / sum(weight) for w in weight]


def hybrid(student_I: Tensor, listed: list[int], sampled: list[int], variant: str) -> list[float]:
    """The product of both weights, ranks from 1."""
    n_items, found = len(student_I), []
    for rank, (item, a) in enumerate(zip(listed, position(), strict=True), start=1):
        above = sum(1 for other in sampled if student_I[other] > student_I[item])
        if variant == "paper":
            behind = math.floor((n_items - 1) * above / len(sampled)) + 1 - rank
        else:
            behind = math.floor(n_items * above / len(sampled)) - (rank - 1)
        found.append(a * math.tanh(max(SHARPNESS * behind, 0.0)))
    total = sum(found) if variant == "paper" else 1.0
    return [w / total if total else 0.0 for w in found]


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_at_first_the_position_alone_counts(scene: Scene, scale: float) -> None:
    method = make(scene, position_scale=scale)
    method.start_epoch(scene.student, 3)

    def of_user(teacher_I: Tensor, student_I: Tensor, user: int) -> Tensor:
        listed = best(teacher_I.tolist(), K, scene.hidden(user))
        return -(torch.tensor(position(scale)).double() * logsigmoid(student_I[listed])).sum()

    check(scene, method, of_user)


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_then_the_discrepancy_too(scene: Scene, variant: str) -> None:
    method = make(scene, variant=variant)
    method.start_epoch(scene.student, 4)
    assert method._sample_UQ is not None
    sample_UQ = method._sample_UQ

    def of_user(teacher_I: Tensor, student_I: Tensor, user: int) -> Tensor:
        listed = best(teacher_I.tolist(), K, scene.hidden(user))
        weight = hybrid(student_I.detach(), listed, kept(sample_UQ[user]), variant)
        return -(torch.tensor(weight).double() * logsigmoid(student_I[listed])).sum()

    check(scene, method, of_user)


@pytest.mark.parametrize("epoch", [0, 4])
def test_places_that_a_short_list_lacks_weigh_nothing(scene: Scene, epoch: int) -> None:
    """With ranks that decay slowly, what stood at the missing places would be missed."""
    method, there = make(scene, position_scale=5.0), K - 2
    method._item_UK[:, there:] = -1
    method.start_epoch(scene.student, epoch)

    def of_user(teacher_I: Tensor, student_I: Tensor, user: int) -> Tensor:
        listed = best(teacher_I.tolist(), there, scene.hidden(user))
        weight = position(5.0)[:there]
        if method._sample_UQ is not None:
            sampled = kept(method._sample_UQ[user])
            above = [sum(1 for other in sampled if student_I[other] > student_I[item]) for item in listed]
            ranks = [math.floor((len(student_I) - 1) * n / len(sampled)) for n in above]
            behind = [max(SHARPNESS * (rank - place), 0.0) for place, rank in enumerate(ranks)]
            weight = [a * math.tanh(b) for a, b in zip(weight, behind, strict=True)]
        total = sum(weight)
        share = torch.tensor([w / total if total else 0.0 for w in weight]).double()
        return -(share * logsigmoid(student_I[listed])).sum()

    check(scene, method, of_user)


def test_the_variants_differ_only_after_the_warm_up(scene: Scene) -> None:
    losses = {}
    for variant in ("paper", "code"):
        for epoch in (0, 4):
            method = make(scene, variant=variant)
            method.start_epoch(scene.student, epoch)
            losses[variant, epoch] = method.loss(scene.student, scene.batch).item()
    assert losses["paper", 0] == losses["code", 0]
    assert losses["paper", 4] > losses["code", 4] > 0


def test_the_estimated_rank_is_exact_where_it_is_whole() -> None:
    known = 100
    score_RQ = torch.arange(known + 7).float().flip(0)[None]  # the first seven are padding, which is above nothing
    known_RQ = score_RQ < known
    ours_RK = torch.arange(known + 1).float().sub(0.5)[None]
    for reach in range(50, 2000, 50):
        found = estimated_rank(ours_RK, score_RQ, known_RQ, reach)[0].tolist()
        assert found == [reach * (known - below) // known for below in range(known + 1)]


def test_samples_are_unseen_and_new_for_every_epoch_and_seed(scene: Scene) -> None:
    found: list[Tensor] = []
    for seed, epoch in ((3, 4), (3, 5), (4, 4)):
        method = make(scene, seed=seed)
        method.start_epoch(scene.student, epoch)
        assert method._sample_UQ is not None
        found.append(method._sample_UQ)
        for user in range(scene.data.n_users):
            assert not scene.hidden(user) & set(kept(found[-1][user]))
    assert all_differ(found)


def test_a_student_that_ranks_the_list_well_is_left_alone(scene: Scene) -> None:
    """Every product is 0: no weight, whether or not they are made to add up to 1."""
    scene.student.item.data.copy_(scene.tables.item_ID)
    scene.student.user.data.copy_(10 * scene.tables.user_UD)
    method = make(scene)
    weight_RK = method._hybrid(torch.ones(3, K), torch.zeros(3, K))
    assert torch.equal(weight_RK, torch.zeros(3, K))


def test_settings() -> None:
    assert RDSettings().renormalise
    assert not RDSettings(variant="code").renormalise
    assert RDSettings(variant="code", renormalise=True).renormalise
    assert RDSettings().needs() == {"lists"}
    for wrong in ({"K": 0}, {"mu": 0.0}, {"Q": -1}, {"variant": "port"}, {"position_scale": 0}):
        with pytest.raises(ValueError, match="validation error"):
            RDSettings.model_validate(wrong)
