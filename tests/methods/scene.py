"""A small distillation with everything in reach: data, a teacher, a student and a batch with users who repeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.methods import build_method, find
from rcekd.methods.base import Method
from rcekd.models import MF, Batch, FactorTables, MFSettings
from rcekd.teachers import FactorTeacher
from tests.contracts.board import bare


@dataclass(frozen=True)
class Scene:
    """A teacher and a student whose tastes agree in part, so that Q₁ and Q₂ both have members.

    In the batch users repeat, and some items are a positive and a negative, others one of both.
    """

    data: Interactions
    tables: FactorTables
    student: MF
    batch: Batch

    def method(self, name: str = "rcekd", seed: int = 3, **settings: Any) -> Method:
        made = build_method(
            find(name).settings.model_validate(settings), FactorTeacher(self.tables), self.data, seed=seed
        )
        assert made is not None
        made.meet(self.student)
        return made

    def hidden(self, user: int) -> frozenset[int]:
        seen = self.data.seen
        return frozenset(seen.indices[seen.indptr[user] : seen.indptr[user + 1]].tolist())

    def score_tables(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Teacher's scores [U, I], student's user and item factors (float64 leaves), and its scores [U, I]."""
        teacher_UI = self.tables.user_UD.double() @ self.tables.item_ID.double().T
        user_UD = self.student.user.detach().double().requires_grad_()
        item_ID = self.student.item.detach().double().requires_grad_()
        return teacher_UI, user_UD, item_ID, user_UD @ item_ID.T

    def settle(self, method: Method, epoch: int) -> tuple[Tensor, list[Tensor]]:
        """The batch's loss and the dense gradients of the student's user and item factors."""
        method.start_epoch(self.student, epoch)
        loss = method.loss(self.student, self.batch)
        loss.backward()
        grads = [self.student.user.grad, self.student.item.grad]
        return loss.detach(), [grad.to_dense() if grad.is_sparse else grad for grad in grads if grad is not None]

    def assert_loss_is(self, expected: Tensor, leaves: tuple[Tensor, Tensor], method: Method, *, epoch: int) -> None:
        """The method's loss and gradients are `expected` and its gradients in the leaves of `score_tables`."""
        loss, grads = self.settle(method, epoch)
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        for found, leaf in zip(grads, leaves, strict=True):
            assert leaf.grad is not None
            torch.testing.assert_close(found.double(), leaf.grad, rtol=1e-5, atol=1e-5 * float(leaf.grad.abs().max()))


def all_differ(drawn: Sequence[Tensor]) -> bool:
    """Whether no two of the draws are the same."""
    return not any(torch.equal(one, other) for one, other in combinations(drawn, 2))


def make_scene(data: Interactions) -> Scene:
    users, items = 30, 40
    generator = torch.Generator().manual_seed(11)
    user_UD, item_ID = (torch.randn(n, 6, generator=generator) for n in (users, items))
    student = MF(bare(users, items), MFSettings(dim=6), generator)
    with torch.no_grad():
        student.user.copy_(user_UD + 0.7 * torch.randn(users, 6, generator=generator))
        student.item.copy_(item_ID + 0.7 * torch.randn(items, 6, generator=generator))
    user_B = torch.tensor([4, 7, 4, 21, 4, 7, 0, 29, 13], dtype=torch.int32)
    item_B = torch.arange(9, dtype=torch.int32)
    negative_BN = torch.stack([item_B + 5, item_B + 17], dim=1)
    return Scene(data, FactorTables(user_UD, item_ID), student, Batch(user_B, item_B, negative_BN))
