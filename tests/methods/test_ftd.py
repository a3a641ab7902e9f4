"""FTD against a loop over all pairs of entities."""

import pytest
import torch
from pydantic import ValidationError

from rcekd.methods.ftd import FTDSettings
from tests.methods.feature_oracle import batch_entities, check, cosine, leaves, settle
from tests.methods.scene import Scene


def test_value_and_gradient(scene: Scene) -> None:
    """Users and items in one list, every ordered pair."""
    method, tables = scene.method("ftd"), leaves(scene)
    method.start_epoch(scene.student, 0)
    users, positives, negatives = batch_entities(scene)
    named = [(0, u) for u in users] + [(1, i) for i in sorted({*positives, *negatives})]
    expected = torch.zeros((), dtype=torch.float64)
    for side, one in named:
        for other_side, other in named:
            taught = cosine(scene.tables[side][one].double(), scene.tables[other_side][other].double())
            expected = expected + (taught - cosine(tables[side][one], tables[other_side][other])) ** 2
    check(method, scene, expected, tables)


def test_lengths_do_not_matter(scene: Scene) -> None:
    method = scene.method("ftd")
    before, _ = settle(method, scene)
    with torch.no_grad():
        scene.student.user.mul_(3.0)
        scene.student.item.mul_(0.2)
    assert settle(method, scene)[0].item() == pytest.approx(before.item(), rel=1e-4)


@pytest.mark.parametrize("wrong", [{"lambda": -1}, {"E": 3}])
def test_settings_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        FTDSettings.model_validate(wrong)
