"""BD's two losses against loops, the law and the direction of its draws, its live teacher and its state."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rcekd.errors import InputError
from rcekd.methods import build_method
from rcekd.methods.bd import BDSettings
from rcekd.teachers import FactorTeacher
from tests.contracts.teacher import full_teacher
from tests.methods.lessons import agree, check, chi_square, settle, taught
from tests.methods.oracle import best
from tests.methods.scene import Scene, all_differ


def soft_loss(score: Tensor, label: Tensor, tau: float) -> Tensor:
    """−q log σ(s) − (1 − q) log σ(−s) with q = σ(label/τ)."""
    q = (label / tau).sigmoid()
    return -q * logsigmoid(score) - (1 - q) * logsigmoid(-score)


def gaps(scene: Scene, user: int) -> dict[int, int]:
    """Rˢ − Rᵀ of every unseen item."""
    teacher_UI, _, _, student_UI = scene.score_tables()
    hidden = scene.hidden(user)
    own, theirs = (best(table[user].tolist(), 40, hidden) for table in (student_UI, teacher_UI))
    return {item: own.index(item) - theirs.index(item) for item in own}


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_the_students_loss(scene: Scene, variant: str) -> None:
    method = taught(scene, "bd", variant=variant, n=4, tau=3.0)
    method.start_epoch(scene.student, 0)
    drawn = method._for_student_UN.tolist()

    def user_loss(user: int, teacher_I: Tensor, student_I: Tensor) -> Tensor:
        return torch.stack([soft_loss(student_I[i], teacher_I[i], 3.0) for i in drawn[user]]).mean()

    check(method, scene, user_loss)


def test_the_teachers_loss(scene: Scene) -> None:
    method = taught(scene, "bd", n=4, tau=3.0, lambda_T=0.7)
    method.start_epoch(scene.student, 0)
    with pytest.raises(RuntimeError, match="loss has not been called"):
        method.own_loss(scene.batch)
    settle(method, scene)
    scene.student.zero_grad()
    own = method.own_loss(scene.batch)
    own.backward()
    assert scene.student.user.grad is None
    user_UD, item_ID = (table.double().requires_grad_() for table in scene.tables)
    student_UI = scene.score_tables()[3].detach()
    expected = torch.zeros((), dtype=torch.float64)
    for user, positive, negatives in zip(*(field.tolist() for field in scene.batch), strict=True):
        score_I = user_UD[user] @ item_ID.T
        expected = expected - logsigmoid(score_I[positive] - score_I[negatives]).mean()
        terms = [soft_loss(score_I[i], student_UI[user, i], 3.0) for i in method._for_teacher_UN[user].tolist()]
        expected = expected + 0.7 * torch.stack(terms).mean()
    expected.backward()
    found = [parameter.grad for parameter in method.trained.parameters()]
    dense = [grad.to_dense() if grad.is_sparse else grad for grad in found]
    agree(own.detach(), dense, expected, [user_UD.grad, item_ID.grad])


def test_a_live_teacher_begins_every_epoch_and_trains(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a backbone draws for an epoch (dropout) it draws as a teacher too, the warm-up included."""
    method, begun = taught(scene, "bd", seed=5, n=4, warm_up=1), []
    teacher = method.trained.get_submodule("teacher")
    monkeypatch.setattr(teacher, "begin_epoch", lambda seed, epoch: begun.append((seed, epoch)))
    for epoch in (0, 1):
        method.start_epoch(scene.student, epoch)
    assert begun == [(5, 0), (5, 1)]
    assert teacher.training


def test_a_live_teacher_is_a_copy(scene: Scene) -> None:
    teacher = full_teacher(scene.tables)
    method = build_method(BDSettings(), teacher, scene.data, seed=3)
    assert method is not None
    with torch.no_grad():
        for parameter in method.trained.parameters():
            parameter.add_(1.0)
    assert all(map(torch.equal, scene.tables, teacher.model.tables()))
    assert sum(parameter.numel() for parameter in method.trained.parameters()) == (30 + 40) * 6


@pytest.mark.parametrize(("variant", "sign"), [("paper", 1), ("code", -1)])
def test_the_law_of_the_draws(scene: Scene, variant: str, sign: int) -> None:
    """Items that the receiver ranks too low (the code's: too high), by tanh for the student, by exp for the teacher."""
    method = taught(scene, "bd", variant=variant, n=400, r=10, eps_tanh=0.1, eps=0.05)
    method.start_epoch(scene.student, 0)
    for user in (4, 21):
        gap = gaps(scene, user)
        gap_I = torch.tensor([sign * gap[item] for item in sorted(gap)], dtype=torch.float64)
        laws = {"for_student_UL": (0.1 * gap_I.clamp(min=0)).tanh(), "for_teacher_UL": (-0.05 * gap_I).exp()}
        for name, law in laws.items():
            drawn = method.trained.get_buffer(name)[user]
            count = torch.tensor([int((drawn == item).sum()) for item in sorted(gap)])
            assert int(count.sum()) == 4000
            assert not count[law == 0].any()
            assert chi_square(count[law > 0], law[law > 0]) < 2.5


def test_ranks_are_taken_every_so_often(scene: Scene) -> None:
    method = taught(scene, "bd", n=4, r=3)
    seen = []
    for epoch in range(4):
        method.start_epoch(scene.student, epoch)
        seen.append(method._for_student_UN.clone())
        stock = method.trained.get_buffer("for_student_UL").clone()
        if epoch == 0:
            first = stock
        assert torch.equal(stock, first) == (epoch < 3)
    assert torch.equal(torch.cat(seen[:3], 1), first)
    assert torch.equal(seen[3], stock[:, :4])


def test_draws_are_new_for_every_epoch_and_seed(scene: Scene) -> None:
    found: dict[str, list[Tensor]] = {"for_student_UL": [], "for_teacher_UL": []}
    for seed, epoch in ((3, 0), (3, 3), (4, 0)):
        method = taught(scene, "bd", seed=seed, n=4, r=3)
        method.start_epoch(scene.student, epoch)
        for name, drawn in found.items():
            drawn.append(method.trained.get_buffer(name))
    assert all(map(all_differ, found.values()))


def test_it_goes_on_from_its_state(scene: Scene) -> None:
    whole, resumed = (taught(scene, "bd", n=4, r=3) for _ in range(2))
    whole.start_epoch(scene.student, 0)
    settle(whole, scene)
    whole.own_loss(scene.batch).backward()
    with torch.no_grad():
        for parameter in whole.trained.parameters():
            parameter.sub_(0.1 * parameter.grad.to_dense())
    resumed.trained.load_state_dict(whole.trained.state_dict())
    results: list[Any] = []
    for method in (whole, resumed):
        method.start_epoch(scene.student, 1)
        results.append((settle(method, scene), method.own_loss(scene.batch)))
    assert torch.equal(results[0][0][0], results[1][0][0])
    assert all(map(torch.equal, results[0][0][1], results[1][0][1]))
    assert torch.equal(results[0][1], results[1][1])


def test_the_student_may_go_first(scene: Scene) -> None:
    method = taught(scene, "bd", n=4, warm_up=2)
    for epoch in (0, 1):
        method.start_epoch(scene.student, epoch)
        loss, grads = settle(method, scene)
        assert loss.item() == 0.0
        assert not any(grad.any() for grad in grads)
        assert method.own_loss(scene.batch) is None
    method.start_epoch(scene.student, 2)
    assert settle(method, scene)[0].item() > 0
    assert method.own_loss(scene.batch) is not None
    stock_UL = method.trained.get_buffer("for_student_UL")
    assert torch.equal(method._for_student_UN, stock_UL[:, :4]), "a stock is used from its beginning"


def test_it_needs_a_live_teacher(scene: Scene) -> None:
    with pytest.raises(InputError, match=r"bd needs a teacher's live, .*that rcekd trained"):
        build_method(BDSettings(), FactorTeacher(scene.tables), scene.data, seed=0)
