"""TARec's distance against a coupling and loops, its contrast, and its assistant."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from rcekd.methods.tarec import TARecSettings, transport
from tests.methods.lessons import agree, check, settle, taught
from tests.methods.oracle import best
from tests.methods.scene import Scene, all_differ


def moved(p: list[float], q: list[float]) -> float:
    """Mass times distance when the piles of p are carried to those of q from left to right, which on a line is best."""
    cost, at, p, q = 0.0, 0, p.copy(), q.copy()
    for place in range(len(p)):
        while p[place] > 1e-15 and at < len(q):
            mass = min(p[place], q[at])
            cost += mass * abs(place - at)
            p[place] -= mass
            q[at] -= mass
            at += q[at] <= 1e-15
    return cost


@settings(deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 3.0]))
def test_the_distance_is_that_of_the_best_transport(seed: int, scale: float) -> None:
    logit_RW, teacher_RW = scale * torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(seed)).double()
    logit_RW[0, 4:] = teacher_RW[0, 4:] = -torch.inf
    shares = zip(logit_RW.softmax(1).tolist(), teacher_RW.softmax(1).tolist(), strict=True)
    assert transport(logit_RW, teacher_RW).tolist() == pytest.approx([moved(p, q) for p, q in shares], abs=1e-4)


@pytest.mark.parametrize("settings", [{}, {"logit_tau": 2.0, "mask": "train"}, {"L": 0}], ids=str)
def test_value_and_gradient(scene: Scene, settings: dict[str, object]) -> None:
    chosen = TARecSettings.model_validate({"K": 6, "L": 5, **settings})
    method = taught(scene, "tarec", **{"K": 6, "L": 5, **settings})
    method.start_epoch(scene.student, 0)
    item_UW = method._item_UW.tolist()

    def user_loss(user: int, teacher_I: Tensor, student_I: Tensor) -> Tensor:
        hidden = scene.hidden(user) if chosen.mask == "train" else frozenset()
        shown = sorted(item_UW[user], key=lambda i: -float(teacher_I[i]))
        assert shown[:6] == best(teacher_I.tolist(), 6, hidden)
        p = torch.softmax(teacher_I[shown] / chosen.logit_tau, 0)
        q = torch.softmax(student_I[shown] / chosen.logit_tau, 0)
        return torch.stack([(p[: k + 1].sum() - q[: k + 1].sum()).abs() for k in range(len(shown) - 1)]).sum()

    check(method, scene, user_loss)


def test_contrast(scene: Scene) -> None:
    """What contrast adds: one InfoNCE over the distinct users, one over the distinct positive items."""
    losses = []
    for contrast in (0.0, 0.7):
        method = taught(scene, "tarec", K=6, L=5, contrast=contrast, contrast_tau=0.5)
        method.start_epoch(scene.student, 0)
        losses.append(settle(method, scene))
    tables = [
        scene.student.user.detach().double().requires_grad_(),
        scene.student.item.detach().double().requires_grad_(),
    ]
    expected = torch.zeros((), dtype=torch.float64)
    for own, theirs, ids in zip(tables, scene.tables, (scene.batch.user_B, scene.batch.positive_B), strict=True):
        distinct = sorted(set(ids.tolist()))
        for one in ids.tolist():
            logits = [normalize(own[one], dim=0) @ normalize(theirs[other].double(), dim=0) / 0.5 for other in distinct]
            expected = expected - 0.7 * torch.log_softmax(torch.stack(logits), 0)[distinct.index(one)]
    expected.backward()
    added = [with_it - without for without, with_it in zip(losses[0][1], losses[1][1], strict=True)]
    agree(losses[1][0] - losses[0][0], added, expected, [table.grad for table in tables])


def test_draws_are_new_for_every_epoch_and_seed(scene: Scene) -> None:
    drawn = []
    for seed, epoch in ((3, 0), (3, 1), (4, 0)):
        method = taught(scene, "tarec", seed=seed, K=6, L=5)
        method.start_epoch(scene.student, epoch)
        drawn.append(method._item_UW)
    assert all_differ(drawn)


def test_the_assistant_stands_between() -> None:
    assert TARecSettings().assistant_dim(400, 20) == 89
    assert TARecSettings(assistant=50).assistant_dim(400, 20) == 50
    assert TARecSettings(assistant=0).assistant_dim(400, 20) is None
    assert TARecSettings().assistant_dim(None, 20) is None
    assert TARecSettings(assistant=50).assistant_dim(None, 20) == 50


def test_contrast_needs_factors() -> None:
    assert "factors" in TARecSettings(contrast=0.1).needs()
    assert "factors" not in TARecSettings().needs()
