"""HetComp's loss and pointers against loops, for one teacher and for two, in both variants."""

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from rcekd.errors import InputError
from rcekd.methods import build_method
from rcekd.methods.hetcomp import HetComp, HetCompSettings
from rcekd.models import MF, FactorTables, MFSettings
from rcekd.teachers import Ensemble, FactorTeacher
from tests.contracts.board import bare
from tests.contracts.teacher import full_teacher
from tests.methods.lessons import agree, settle, taught
from tests.methods.oracle import best
from tests.methods.scene import Scene

SMALL = {"K": 8, "depth": 6, "p": 1, "weighting": "interaction"}


def scores(tables: FactorTables, user: int) -> list[float]:
    return (tables.user_UD[user].double() @ tables.item_ID.double().T).tolist()


def distance(student: list[float], teacher: list[float], depth: int, hidden: frozenset[int]) -> float:
    """D, one position after the other."""
    known = set(best(teacher, depth, hidden))
    gain = [(2 ** math.exp(-r / 10) - 1) / math.log2(r + 2) for r in range(depth)]
    return 1 - sum(g for g, item in zip(gain, best(student, depth, hidden), strict=True) if item in known) / sum(gain)


def order_loss(ranked: list[Tensor], others: Tensor) -> Tensor:
    """PL(ranked; others)."""
    terms = [torch.cat([torch.stack(ranked[place:]), others]).logsumexp(0) - s for place, s in enumerate(ranked)]
    return torch.stack(terms).sum() if terms else others.new_zeros(())


def user_loss(
    method: HetComp, chosen: HetCompSettings, scene: Scene, user: int, teacher_I: list[float], student_I: Tensor
) -> Tensor:
    hidden = scene.hidden(user)
    minus = method._minus_UK[user].tolist()
    shortest = min(len(scene.hidden(u)) for u in range(scene.data.n_users) if scene.hidden(u))
    plus = sorted(hidden) if chosen.observed == "first" else sorted(hidden, key=lambda i: -teacher_I[i])
    plus = plus[: min(chosen.top_k, shortest) if chosen.observed == "first" else chosen.top_k]

    def rest(ranked: list[int]) -> Tensor:
        return student_I[[i for i in range(scene.data.n_items) if i not in hidden and i not in ranked]]

    if not method._fine_U[user]:
        terms = [torch.cat([student_I[[i]], rest(minus)]).logsumexp(0) - student_I[i] for i in [*plus, *minus]]
        return chosen.coarse_factor * torch.stack(terms).sum()
    parts = [minus] if chosen.fine == "whole" else [minus[: len(minus) // 2], minus[: max(1, len(minus) // 10)]]
    ranked = torch.stack([order_loss([student_I[i] for i in part], rest(part)) for part in parts]).mean()
    return ranked + order_loss([student_I[i] for i in plus], rest(parts[0]))


@pytest.mark.parametrize(("variant", "top_k"), [("paper", 8), ("code", 8), ("code", 20)])
@pytest.mark.parametrize("arrived", ["none", "some", "all"])
def test_value_and_gradient(uneven_scene: Scene, variant: str, top_k: int, arrived: str) -> None:
    scene = uneven_scene
    given = {**SMALL, "K": top_k, "variant": variant}
    method, chosen = taught(scene, "hetcomp", **given), HetCompSettings.model_validate(given)
    pointer_XU = method.trained.get_buffer("pointer_XU")
    pointer_XU[:, :: 2 if arrived == "some" else 1] = 0 if arrived == "none" else 2
    method.start_epoch(scene.student, 0)
    assert float(method._fine_U.double().mean()) == {"none": 0.0, "all": 1.0}.get(
        arrived, 0.5 if variant == "paper" else 0.0
    )
    loss, grads = settle(method, scene)
    teacher_UI, user_UD, item_ID, student_UI = scene.score_tables()
    losses = [
        user_loss(method, chosen, scene, user, teacher_UI[user].tolist(), student_UI[user])
        for user in scene.batch.user_B.tolist()
    ]
    expected = torch.stack(losses).sum()
    expected.backward()
    agree(loss, grads, expected, [user_UD.grad, item_ID.grad])


def followers(scene: Scene, count: int) -> list[MF]:
    """Students that come nearer to the teacher, with a step back."""
    generator, found = torch.Generator().manual_seed(5), []
    for scale in [2.0, 1.5, 1.8, 0.8, 0.5, 0.3, 0.1, 0.0][:count]:
        student = MF(bare(30, 40), MFSettings(dim=6), generator)
        with torch.no_grad():
            for own, table in zip((student.user, student.item), scene.tables, strict=True):
                own.copy_(table + scale * torch.randn(table.shape, generator=generator))
        found.append(student)
    return found


@pytest.mark.parametrize("variant", ["paper", "code"])
@pytest.mark.parametrize("every", [1, 20])
def test_pointers_follow_the_student(scene: Scene, variant: str, every: int) -> None:
    """A look at every p-th epoch: the threshold falls with the looks, ⌊epoch / p⌋, and nothing moves between them."""
    method = taught(scene, "hetcomp", **{**SMALL, "p": every}, variant=variant)
    moments = full_teacher(scene.tables).trajectory
    pointer, before = [0] * 30, [0.0] * 30
    for look, student in enumerate(followers(scene, 8)):
        for epoch in {every * look, every * look + every - 1}:
            method.start_epoch(student, epoch)
        for user in range(30) if look >= 1 else ():
            own = scores(student.tables(), user)

            def to(moment: int, own: list[float] = own, user: int = user) -> float:
                return distance(own, scores(moments[min(moment, 2)], user), 6, scene.hidden(user))

            now = to(pointer[user] + 1)
            if look == 1:
                before[user] = now
            elif pointer[user] < 2:
                nearer = now <= 0 or before[user] > 1.05 * 0.995**look * now
                if nearer or (variant == "code" and before[user] < now):
                    pointer[user] += 1
                    before[user] = to(pointer[user] + 1)
        assert method.trained.get_buffer("pointer_XU")[0].tolist() == pointer
    assert len(set(pointer)) > 1 or pointer[0] == 2
    wanted = [best(scores(moments[p], user), 8, scene.hidden(user)) for user, p in enumerate(pointer)]
    assert method._minus_UK.tolist() == wanted
    assert method.report()["pointer"] == pytest.approx(sum(pointer) / 30)


def test_two_teachers(scene: Scene) -> None:
    """A pointer each; the target is heaviest in the sum of their importances."""
    other = FactorTables(scene.tables.user_UD.flip(0).contiguous(), scene.tables.item_ID)
    members = [full_teacher(scene.tables), full_teacher(other)]
    method = build_method(
        HetCompSettings.model_validate({**SMALL, "decay": 3.0}), Ensemble(members), scene.data, seed=0
    )
    assert isinstance(method, HetComp)
    pointer_XU = method.trained.get_buffer("pointer_XU")
    assert pointer_XU.shape == (2, 30)
    pointer_XU[1] = 2
    method.start_epoch(scene.student, 0)
    for user in (0, 7, 29):
        hidden, weight = scene.hidden(user), dict.fromkeys(range(40), 0.0)
        for member, moment in zip(members, (0, 2), strict=True):
            for rank, item in enumerate(best(scores(member.trajectory[moment], user), 40, hidden), start=1):
                weight[item] += math.exp(-rank / 3.0)
        assert method._minus_UK[user].tolist() == sorted(weight, key=lambda item: (-weight[item], item))[:8]
    assert torch.isfinite(method.loss(scene.student, scene.batch))


def test_it_goes_on_from_its_state(scene: Scene) -> None:
    students = followers(scene, 6)
    whole, resumed = (taught(scene, "hetcomp", **SMALL) for _ in range(2))
    for epoch, student in enumerate(students[:5]):
        whole.start_epoch(student, epoch)
    resumed.trained.load_state_dict(whole.trained.state_dict())
    for method in (whole, resumed):
        method.start_epoch(students[5], 5)
    assert torch.equal(whole._minus_UK, resumed._minus_UK)
    assert settle(whole, scene)[0] == settle(resumed, scene)[0]
    for key, value in whole.trained.state_dict().items():
        assert torch.equal(value, resumed.trained.state_dict()[key])


def test_what_it_needs(scene: Scene) -> None:
    with pytest.raises(InputError, match=r"trajectory.*--keep-trajectory"):
        build_method(HetCompSettings(), FactorTeacher(scene.tables), scene.data, seed=0)
    mixed: Any = Ensemble([full_teacher(scene.tables), FactorTeacher(scene.tables)])
    assert "trajectory" not in mixed.gives
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        HetCompSettings.model_validate({"E": 1})
