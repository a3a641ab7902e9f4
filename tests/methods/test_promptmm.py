"""PromptMM's divergences against their definitions, its loss against loops, with and without modalities."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from rcekd.errors import InputError
from rcekd.methods import build_method
from rcekd.methods.promptmm import PromptMMSettings, list_divergence, pair_divergence
from rcekd.teachers import FactorTeacher
from tests.contracts.teacher import full_teacher
from tests.methods.lessons import agree, settle, taught
from tests.methods.scene import Scene, all_differ


def divergence(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p.log() - q.log())).sum()


def pair(t: Tensor, s: Tensor) -> Tensor:
    return divergence(*(torch.stack([x.sigmoid(), (-x).sigmoid()]) for x in (t, s)))


def disentangled(t: Tensor, s: Tensor, alpha: float, beta: float) -> Tensor:
    p, q = torch.softmax(t, 0), torch.softmax(s, 0)
    of_two = divergence(*(torch.stack([x[0], x[1:].sum()]) for x in (p, q)))
    return alpha * of_two + beta * divergence(p[1:] / p[1:].sum(), q[1:] / q[1:].sum())


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_the_parts_of_a_list_make_its_divergence(seed: int) -> None:
    """KL(p ‖ q) = KL of (first, rest) + p(rest) · KL among the rest."""
    student, teacher = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    whole = torch.stack([divergence(t.softmax(0), s.softmax(0)) for s, t in zip(student, teacher, strict=True)])
    rest = 1.0 - teacher.softmax(1)[:, 0]
    parts = list_divergence(student, teacher, 1.0, 0.0) + rest * list_divergence(student, teacher, 0.0, 1.0)
    torch.testing.assert_close(parts, whole)
    loops = torch.stack([disentangled(t, s, 2.0, 0.5) for s, t in zip(student, teacher, strict=True)])
    torch.testing.assert_close(list_divergence(student, teacher, 2.0, 0.5), loops)


def test_divergences_survive_what_is_far_or_absent() -> None:
    far = torch.tensor([300.0, -300.0], requires_grad=True)
    loss = pair_divergence(far, torch.tensor([-300.0, -300.0]))
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([300.0, 0.0])
    assert far.grad is not None
    assert far.grad.tolist() == pytest.approx([1.0, 0.0])
    student = torch.tensor([[0.3, 1.0, -torch.inf]], requires_grad=True)
    found = list_divergence(student, torch.tensor([[0.1, 2.0, -torch.inf]]), 1.0, 1.0)
    found.sum().backward()
    assert found.item() == pytest.approx(pair(torch.tensor(0.1 - 2.0), torch.tensor(0.3 - 1.0)).item(), abs=1e-6)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize("parts", ["logit", "whole"])
@pytest.mark.parametrize(
    "more", [{}, {"alpha": 3.0, "beta": 0.5, "tau": 2.0, "r1": 0.3, "r2": 2.0, "r3": 0.7}], ids=str
)
def test_value_and_gradient(scene: Scene, parts: str, more: dict[str, Any]) -> None:
    settings = PromptMMSettings.model_validate({"parts": parts, "N": 4, **more})
    method = taught(scene, "promptmm", parts=parts, N=4, **more)
    method.start_epoch(scene.student, 0)
    loss, grads = settle(method, scene)
    modalities = list(full_teacher(scene.tables).modalities.values()) if parts == "whole" else []
    judges = [[t.double() for t in tables] for tables in (modalities or [scene.tables])]
    teacher_UI, user_UD, item_ID, student_UI = scene.score_tables()
    maps = [getattr(each, "weight", None) for each in method._maps]
    total = torch.zeros((), dtype=torch.float64)
    for user, positive, negatives in zip(*(field.tolist() for field in scene.batch), strict=True):
        s, t = student_UI[user] / settings.tau, teacher_UI[user] / settings.tau
        pairs = [pair(t[positive] - t[negative], s[positive] - s[negative]) for negative in negatives]
        total = total + settings.pair * sum(pairs) / len(pairs)
        shown = [positive, *method._negative_UN[user].tolist()]
        for user_table, item_table in judges:
            judged = item_table[shown] @ user_table[user] / settings.tau
            total = total + settings.list_weight * disentangled(judged, s[shown], settings.alpha, settings.beta)
        for number, tables in enumerate(modalities):
            own = item_ID[positive] if maps[number] is None else maps[number].detach().double() @ item_ID[positive]
            cosine = normalize(own, dim=0) @ normalize(tables.item_ID[positive].double(), dim=0)
            total = total + settings.feature * (1.0 - cosine) ** 2
    total.backward()
    agree(loss, grads, total, [user_UD.grad, item_ID.grad])


def test_negatives_are_unseen_and_new_for_every_epoch_and_seed(scene: Scene) -> None:
    drawn = []
    for seed, epoch in ((3, 0), (3, 1), (4, 0), (3, 0)):
        method = taught(scene, "promptmm", seed=seed, N=5)
        method.start_epoch(scene.student, epoch)
        drawn.append(method._negative_UN)
    assert all(not set(row) & scene.hidden(user) for user, row in enumerate(drawn[0].tolist()))
    assert torch.equal(drawn[0], drawn[3])
    assert all_differ(drawn[:3])


def test_a_narrower_modality_has_a_map_that_learns(scene: Scene) -> None:
    method = taught(scene, "promptmm", parts="whole", N=4)
    method.start_epoch(scene.student, 0)
    settle(method, scene)
    (weight,) = method.trained.parameters()
    assert weight.shape == (4, 6)
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


def test_the_whole_needs_modalities(scene: Scene) -> None:
    settings, teacher = PromptMMSettings(parts="whole", negatives=4), FactorTeacher(scene.tables)
    with pytest.raises(
        InputError, match="promptmm needs a teacher's modalities, which this one has not; give a teacher"
    ):
        build_method(settings, teacher, scene.data, seed=0)
    assert build_method(PromptMMSettings(negatives=4), teacher, scene.data, seed=0) is not None
