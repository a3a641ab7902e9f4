"""RCE-KD `variant: paper` against the same equations written with loops (oracle.py), given the same draws."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.kernels.closure import closure
from tests.methods.oracle import Rules, best, user_loss
from tests.methods.scene import Scene

K, L, SEED, EPOCH = 8, 6, 3, 2
SHAPE = {"K": K, "L": L}


def draws_of(scene: Scene, **options: Any) -> Tensor:
    """The draws, straight from the kernel's door, with every argument written out."""
    teacher_UK = torch.tensor([best(row.tolist(), K) for row in scene.score_tables()[0]], dtype=torch.int32)
    plain = {"tau": 10.0, "raised_by": "missing", "inclusive": False, "clip": None, "exclude_teacher": True}
    tables = scene.student.tables()
    arguments: dict[str, Any] = {"draws": L, "seed": SEED, "epoch": EPOCH, **plain, **options}
    return closure(tables.user_UD, tables.item_ID, teacher_UK, **arguments).draw_BL


def weights(scene: Scene, weighting: str) -> dict[int, float]:
    """How much each user of the batch counts, from the words of the setting's description."""
    times = Counter(scene.batch.user_B.tolist())
    interactions = scene.data.train.lengths().tolist()
    mean = sum(interactions) / sum(1 for n in interactions if n)
    scale = {
        "interaction": lambda user: times[user],
        "user": lambda user: times[user] * mean / interactions[user],
        "distinct": lambda _: sum(times.values()) / len(times),
    }[weighting]
    return {user: scale(user) for user in times}


def check(scene: Scene, settings: dict[str, Any], rules: Rules, draw_UL: Tensor, weighting: str = "user") -> None:
    """Value and both gradients of a batch's loss, to 1e-5 of the float64 loops'."""
    method = scene.method(seed=SEED, **SHAPE, **settings)
    method.start_epoch(scene.student, EPOCH)
    loss = method.loss(scene.student, scene.batch)
    loss.backward()

    teacher_UI, user_UD, item_ID, student_UI = scene.score_tables()
    expected = torch.zeros((), dtype=torch.float64)
    for user, weight in weights(scene, weighting).items():
        drawn = draw_UL[user][draw_UL[user] >= 0].tolist()
        expected = expected + weight * user_loss(teacher_UI[user], student_UI[user], drawn, rules)
    expected.backward()

    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for found, wanted in ((scene.student.user.grad, user_UD.grad), (scene.student.item.grad, item_ID.grad)):
        dense = found.to_dense() if found.is_sparse else found
        torch.testing.assert_close(dense.double(), wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("weighting", ["user", "interaction", "distinct"])
def test_value_and_gradient(scene: Scene, weighting: str) -> None:
    check(scene, {"weighting": weighting}, Rules(K, L), draws_of(scene), weighting)


@pytest.mark.parametrize("beta", [0.0, 0.5, 9.0])
def test_beta(scene: Scene, beta: float) -> None:
    check(scene, {"beta": beta}, Rules(K, L, beta=beta), draws_of(scene))


def test_sampling_temperature_is_tau(scene: Scene) -> None:
    draw_UL = draws_of(scene, tau=0.5)
    assert not torch.equal(draw_UL, draws_of(scene))
    check(scene, {"tau": 0.5}, Rules(K, L), draw_UL)


def test_temperature_of_the_softmaxes(scene: Scene) -> None:
    check(scene, {"logit_tau": 2.5}, Rules(K, L, logit_tau=2.5), draws_of(scene))


@pytest.mark.parametrize("without", ["split", "student", "teacher"])
def test_ablations(scene: Scene, without: str) -> None:
    check(scene, {"without": without}, Rules(K, L, without=without), draws_of(scene))


def test_the_scene_has_both_kinds_of_teacher_items(scene: Scene) -> None:
    """Otherwise the tests above would say little."""
    teacher_UI, _, _, student_UI = scene.score_tables()
    shares = [
        len({*best(teacher_UI[u].tolist(), K)} & {*best(student_UI[u].tolist(), K)}) / K
        for u in set(scene.batch.user_B.tolist())
    ]
    assert min(shares) < max(shares)
    assert 0 < sum(shares) < len(shares)


def test_draws_and_closed_sets_are_new_each_epoch_and_the_same_again(scene: Scene) -> None:
    method = scene.method(**SHAPE)
    losses = []
    for epoch in (0, 1, 0):
        method.start_epoch(scene.student, epoch)
        losses.append(method.loss(scene.student, scene.batch).item())
    assert losses[0] != losses[1]
    assert losses[0] == losses[2]


def test_sets_are_frozen_within_an_epoch(scene: Scene) -> None:
    """The student moves on, its lists do not: the loss is that of the old sets at the new weights."""
    draw_UL = draws_of(scene)
    method = scene.method(seed=SEED, **SHAPE)
    method.start_epoch(scene.student, EPOCH)
    teacher_UI, user_UD, item_ID, before_UI = scene.score_tables()
    with torch.no_grad():
        scene.student.user.mul_(-0.5)
    expected = 0.0
    for user, weight in weights(scene, "user").items():
        own, taught = (best(table[user].tolist(), K) for table in (before_UI, teacher_UI))
        missing = [i for i in taught if i not in own]
        share = torch.exp(torch.tensor(-3.0 * (K - len(missing)) / K)).item()
        after_I = -0.5 * user_UD[user].detach() @ item_ID.detach().T
        for part, items in ((1 - share, own), (share, missing + draw_UL[user].tolist())):
            target = torch.softmax(teacher_UI[user, items], 0)
            expected -= weight * part * float((target * torch.log_softmax(after_I[items], 0)).sum())
    assert method.loss(scene.student, scene.batch).item() == pytest.approx(expected, rel=1e-5)


def test_report_says_overlap_and_gamma(scene: Scene) -> None:
    method = scene.method(**SHAPE)
    method.start_epoch(scene.student, 0)
    teacher_UI, _, _, student_UI = scene.score_tables()
    share_U = torch.tensor(
        [len({*best(t.tolist(), K)} & {*best(s.tolist(), K)}) / K for t, s in zip(teacher_UI, student_UI, strict=True)]
    )
    assert method.report()["overlap"] == pytest.approx(share_U.mean().item(), rel=1e-6)
    assert method.report()["gamma"] == pytest.approx(torch.exp(-3 * share_U).mean().item(), rel=1e-6)


def test_a_batch_before_any_epoch_is_refused(scene: Scene) -> None:
    with pytest.raises(RuntimeError, match="start_epoch"):
        scene.method(**SHAPE).loss(scene.student, scene.batch)
