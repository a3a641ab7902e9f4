"""RCE-KD `variant: code` against a dense batch version of the authors' formulas, on the same tensors and draws.

Written from a description of their code: scores of a whole batch with users repeated, membership by comparing padded
lists, softmaxes with bare exponentials, a sum over the batch. float64, differentiated by autograd.
"""

from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.kernels.horizon import horizon_draws
from rcekd.methods import Method
from tests.methods.oracle import Rules, user_loss
from tests.methods.scene import Scene

K, L, HORIZON, SEED, EPOCH = 8, 6, 20, 3, 4


def plain_cross_entropy(teacher_BW: Tensor, student_BW: Tensor, keep_BW: Tensor, tau: float) -> Tensor:
    """Σ_j p_j · −log q_j per row over the kept columns, by bare exponentials as in the authors' code."""
    teacher = torch.exp(teacher_BW / tau) * keep_BW
    student = torch.exp(student_BW / tau) * keep_BW
    target = teacher / teacher.sum(1, keepdim=True)
    return -(target * torch.log(student / student.sum(1, keepdim=True) + ~keep_BW) * keep_BW).sum(1)


def authors_loss(
    teacher_UI: Tensor, student_UI: Tensor, user_B: Tensor, draw_UL: Tensor, beta: float, tau: float
) -> Tensor:
    """Departures 1, 2, 8, 9, 11 and 12: draws may hold teacher items; γ by the drawn ones; one term per interaction."""
    taught_BK = teacher_UI.topk(K).indices[user_B]
    own_BK = student_UI.detach().topk(K).indices[user_B]
    draw_BL = draw_UL[user_B].long()
    in_own_BK = (taught_BK[:, :, None] == own_BK[:, None, :]).any(-1)
    in_draw_BK = (taught_BK[:, :, None] == draw_BL[:, None, :]).any(-1)
    gamma_B = torch.exp(-beta * in_draw_BK.sum(1) / K)
    t_BI, s_BI = teacher_UI[user_B], student_UI[user_B]
    first_B = plain_cross_entropy(t_BI.gather(1, own_BK), s_BI.gather(1, own_BK), torch.ones_like(in_own_BK), tau)
    set_BW = torch.cat([draw_BL, taught_BK], dim=1)
    keep_BW = torch.cat([torch.ones_like(draw_BL, dtype=torch.bool), ~in_own_BK & ~in_draw_BK], dim=1)
    second_B = plain_cross_entropy(t_BI.gather(1, set_BW), s_BI.gather(1, set_BW), keep_BW, tau)
    return ((1 - gamma_B) * first_B + gamma_B * second_B).sum()


def authors_draws(scene: Scene, **options: Any) -> Tensor:
    teacher_UI, _, _, student_UI = scene.score_tables()
    student_UM = student_UI.detach().topk(HORIZON).indices.int()
    taught_UK = teacher_UI.topk(K).indices.int()
    code = {"raised_by": "teacher", "inclusive": True, "clip": 50, "exclude_teacher": False, "tau": 10.0, **options}
    return horizon_draws(student_UM, taught_UK, draws=L, seed=SEED, epoch=EPOCH, top_k=K, **code)


def authors_method(scene: Scene, **settings: Any) -> Method:
    return scene.method(seed=SEED, variant="code", K=K, L=L, horizon=HORIZON, **settings)


@pytest.mark.parametrize(("beta", "tau"), [(3.0, 1.0), (0.5, 1.0), (5.0, 4.0)])
def test_value_and_gradient(scene: Scene, beta: float, tau: float) -> None:
    teacher_UI, user_UD, item_ID, student_UI = scene.score_tables()
    expected = authors_loss(teacher_UI, student_UI, scene.batch.user_B.long(), authors_draws(scene), beta, tau)
    scene.assert_loss_is(expected, (user_UD, item_ID), authors_method(scene, beta=beta, logit_tau=tau), epoch=EPOCH)


def test_the_draws_do_fall_on_teacher_items(scene: Scene) -> None:
    """Otherwise neither the trimming of A nor the code's γ would have been tested above."""
    taught_UK = scene.score_tables()[0].topk(K).indices
    hits = (authors_draws(scene)[:, :, None] == taught_UK[:, None, :]).any(-1).sum(1)
    users = sorted(set(scene.batch.user_B.tolist()))
    assert 0 < int(hits[users].min()) < int(hits[users].max())


SWITCHES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"overlap": "student-top"}, {}),
    ({"exclude_teacher": True}, {"exclude_teacher": True}),
    ({"raised_by": "missing"}, {"raised_by": "missing"}),
    ({"inclusive": False}, {"inclusive": False}),
    ({"clip": 2}, {"clip": 2}),
    ({"by_rank": True}, {"by_rank": True}),
]


@pytest.mark.parametrize(("switch", "of_draws"), SWITCHES, ids=str)
def test_each_departure_of_the_loss_switches_alone(
    scene: Scene, switch: dict[str, Any], of_draws: dict[str, Any]
) -> None:
    """One setting differs from the code's; the loops with that one rule changed give the loss."""
    tau = 0.5  # sharp enough that another rule gives other draws
    base, _ = scene.settle(authors_method(scene, tau=tau), EPOCH)
    loss, _ = scene.settle(authors_method(scene, tau=tau, **switch), EPOCH)
    draw_UL = authors_draws(scene, tau=tau, **of_draws)
    rules = Rules(K, L, **{"overlap": "draws", **{k: v for k, v in switch.items() if k == "overlap"}})
    teacher_UI, _, _, student_UI = scene.score_tables()
    losses = [
        user_loss(teacher_UI[user], student_UI[user], draw_UL[user].tolist(), rules)
        for user in scene.batch.user_B.tolist()
    ]
    assert loss.item() == pytest.approx(torch.stack(losses).sum().item(), rel=1e-5)
    assert loss.item() != base.item()
