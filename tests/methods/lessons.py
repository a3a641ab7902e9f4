"""A method with a teacher that gives everything, its loss with dense gradients, and how to hold them against loops."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.methods import build_method, find
from rcekd.methods.base import Method
from tests.contracts.teacher import full_teacher
from tests.methods.scene import Scene


def taught(scene: Scene, name: str, *, seed: int = 3, **settings: Any) -> Any:
    """The method, ready for its first epoch."""
    made = build_method(find(name).settings.model_validate(settings), full_teacher(scene.tables), scene.data, seed=seed)
    assert made is not None
    made.meet(scene.student)
    return made


def settle(method: Method, scene: Scene) -> tuple[Tensor, list[Tensor]]:
    """Loss and dense gradients of the scene's batch."""
    scene.student.zero_grad()
    loss = method.loss(scene.student, scene.batch)
    loss.backward()
    grads = [scene.student.user.grad, scene.student.item.grad]
    return loss.detach(), [grad.to_dense() if grad.is_sparse else grad.clone() for grad in grads if grad is not None]


def check(method: Method, scene: Scene, user_loss: Callable[[int, Tensor, Tensor], Tensor]) -> None:
    """The loss is Σ over the batch of user_loss(user, teacher scores [I], student scores [I]), float64."""
    loss, grads = settle(method, scene)
    teacher_UI, user_UD, item_ID, student_UI = scene.score_tables()
    users = scene.batch.user_B.tolist()
    expected = torch.stack([user_loss(user, teacher_UI[user], student_UI[user]) for user in users]).sum()
    expected.backward()
    agree(loss, grads, expected, [user_UD.grad, item_ID.grad])


def agree(loss: Tensor, grads: list[Tensor], expected: Tensor, wanted: list[Tensor | None]) -> None:
    """Value and gradients, to float32's rounding."""
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for found, right in zip(grads, wanted, strict=True):
        assert right is not None
        torch.testing.assert_close(found.double(), right, rtol=1e-4, atol=1e-5 * float(right.abs().max()))


def chi_square(count: Tensor, chance: Tensor) -> float:
    """Σ (found − expected)² / expected over the outcomes, as a multiple of their number less one."""
    expected = chance.double() / chance.double().sum() * count.sum()
    return float(((count - expected) ** 2 / expected).sum() / (count.numel() - 1))
