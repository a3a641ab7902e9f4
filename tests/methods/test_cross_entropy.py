"""Vanilla CE on the teacher's or the student's top K, and full CE, against loops and dense autograd."""

import pytest
import torch
from torch import Tensor

import rcekd.kernels.full_cross_entropy as full
from tests.methods.oracle import best, cross_entropy
from tests.methods.scene import Scene

K = 8


@pytest.mark.parametrize("items", ["teacher", "student", "all"])
@pytest.mark.parametrize("tau", [1.0, 3.0])
def test_value_and_gradient(scene: Scene, items: str, tau: float) -> None:
    teacher_UI, user_UD, item_ID, student_UI = scene.score_tables()
    expected = torch.zeros((), dtype=torch.float64)
    for user in scene.batch.user_B.tolist():
        chosen = {
            "teacher": best(teacher_UI[user].tolist(), K),
            "student": best(student_UI[user].tolist(), K),
            "all": list(range(scene.data.n_items)),
        }[items]
        expected = expected + cross_entropy(teacher_UI[user], student_UI[user], chosen, tau)
    scene.assert_loss_is(expected, (user_UD, item_ID), scene.method("ce", items=items, K=K, logit_tau=tau), epoch=0)


def test_the_student_list_follows_the_student_and_the_teacher_list_does_not(scene: Scene) -> None:
    first: dict[str, float] = {}
    for items in ("teacher", "student"):
        method = scene.method("ce", items=items, K=K)
        method.start_epoch(scene.student, 0)
        with torch.no_grad():
            scene.student.user.neg_()
            before = method.loss(scene.student, scene.batch).item()
            method.start_epoch(scene.student, 1)
            first[items] = method.loss(scene.student, scene.batch).item() - before
            scene.student.user.neg_()
    assert first["teacher"] == 0.0
    assert first["student"] != 0.0


@pytest.mark.parametrize("block_bytes", [1, 3 * 7 * 8, 64 << 20])
def test_full_cross_entropy_gradcheck(monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    """float64, in blocks of one user, of a few, and of all."""
    monkeypatch.setattr(full, "BLOCK_BYTES", block_bytes)
    generator = torch.Generator().manual_seed(5)
    user, item, t_user, t_item = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((5, 3), (7, 3), (5, 4), (7, 4))
    )
    weight = torch.rand(5, generator=generator, dtype=torch.float64)

    def loss(user_BD: Tensor, item_ID: Tensor) -> Tensor:
        return full.full_cross_entropy(user_BD, item_ID, t_user, t_item, weight, tau=1.7)

    def dense(user_BD: Tensor, item_ID: Tensor) -> Tensor:
        log_q = torch.log_softmax(user_BD @ item_ID.T / 1.7, 1)
        return -(weight[:, None] * torch.softmax(t_user @ t_item.T / 1.7, 1) * log_q).sum()

    user.requires_grad_()
    item.requires_grad_()
    assert torch.autograd.gradcheck(loss, (user, item))
    torch.testing.assert_close(loss(user, item), dense(user, item))


def test_full_cross_entropy_survives_large_scores() -> None:
    user, item = torch.full((1, 1), 300.0), torch.tensor([[1.0], [-1.0]])
    loss = full.full_cross_entropy(user, item, user, item, torch.ones(1))
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
