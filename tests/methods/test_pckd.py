"""PCKD: DE's loss and a regulariser, against loops; who moves and what is drawn."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from rcekd.errors import InputError
from rcekd.methods.pckd import PCKD, PCKDSettings
from tests.methods.feature_oracle import check, expert_loss, leaves, projector, settle
from tests.methods.lessons import chi_square
from tests.methods.oracle import best
from tests.methods.scene import Scene, all_differ

SMALL: dict[str, Any] = {"E": 3, "mxK": 12, "Q": 4}


def started(scene: Scene, epoch: int = 0, **settings: Any) -> PCKD:
    method = scene.method("pckd", **{**SMALL, **settings})
    assert isinstance(method, PCKD)
    method.start_epoch(scene.student, epoch)
    return method


def slow_regulariser(method: PCKD, scene: Scene, regulariser: str, tau: float) -> Tensor:
    """One interaction of the batch after the other."""
    user_UD, item_ID = (table.detach() for table in leaves(scene))
    through_user, through_item = projector(method, scene, "users"), projector(method, scene, "items")
    total = torch.zeros((), dtype=torch.float64)
    for u in scene.batch.user_B.tolist():
        items = [i for i in method._list_UQ[u].tolist() if i >= 0]
        own = torch.stack([user_UD[u] @ item_ID[i] for i in items])
        projected = torch.stack([through_user(user_UD[u], u) @ through_item(item_ID[i], i) for i in items])
        if regulariser == "pair":
            total = total + torch.log1p(torch.exp(-(projected[0] - projected[1]) * (own[0] - own[1])))
        else:
            total = total - (torch.softmax(own / tau, 0) * torch.log_softmax(projected / tau, 0)).sum()
    return total


@pytest.mark.parametrize("choice", [{"tau": 2.0}, {"regulariser": "pair", "Q": 2, "mxK": 6}], ids=str)
def test_value_and_gradient(scene: Scene, choice: dict[str, Any]) -> None:
    """The student's gradient is DE's: in the regulariser it is a constant."""
    method, tables = started(scene, alpha=0.4, **choice), leaves(scene)
    extra = slow_regulariser(method, scene, choice.get("regulariser", "list"), choice.get("tau", 0.1))
    assert extra > 0
    check(method, scene, expert_loss(method, scene, *tables, halves=True) + 0.4 * extra, tables)


def test_the_regulariser_moves_the_projectors(scene: Scene) -> None:
    found = []
    for alpha in (0.0, 5.0):
        method = started(scene, alpha=alpha)
        settle(method, scene)
        found.append([p.grad for p in method.trained.parameters() if p.grad is not None])
    assert all(not torch.allclose(left, right) for left, right in zip(*found, strict=True))


def test_items_come_from_the_teachers_top_anew_for_every_epoch_and_seed(scene: Scene) -> None:
    teacher_UI, *_ = scene.score_tables()
    first, again, *others = (
        started(scene, epoch, seed=seed)._list_UQ for seed, epoch in ((3, 0), (3, 0), (3, 1), (4, 0))
    )
    assert torch.equal(first, again)
    assert all_differ([first, *others])
    for user, row in enumerate(first.tolist()):
        assert len(set(row)) == 4
        assert set(row) <= set(best(teacher_UI[user].tolist(), 12))


def test_the_first_item_falls_off_with_its_rank(scene: Scene) -> None:
    """One draw without replacement by e^(−rank/T) is one draw by it; users and epochs together give 1,200."""
    top_UM = scene.method("pckd", **SMALL)._knowledge.top_items(12)
    method = started(scene, T=3.0)
    item_U1 = torch.cat([method._drawn_items(epoch)[:, :1] for epoch in range(40)])
    place = (top_UM.repeat(40, 1) == item_U1).nonzero()[:, 1]
    assert chi_square(place.bincount(minlength=12), torch.exp(-torch.arange(12).double() / 3.0)) < 2.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"regulariser": "pair"}, "set Q=2"),
        ({"Q": 9, "mxK": 8}, "larger mxK"),
        ({"tau": 0}, "give a number from 1e-30"),
        ({"regulariser": "hybrid"}, "'list' or 'pair'"),
    ],
)
def test_settings_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PCKDSettings.model_validate(wrong)


def test_a_pool_longer_than_the_catalogue_is_refused(scene: Scene) -> None:
    with pytest.raises(InputError, match="mxK=41"):
        scene.method("pckd", mxK=41)
