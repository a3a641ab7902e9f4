"""HTD against loops over pairs, groups and experts."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from rcekd.methods.base import Method
from rcekd.methods.common.experts import GatedExperts
from rcekd.methods.htd import HTDSettings, means
from tests.methods.feature_oracle import batch_entities, check, cosine, expert_loss, leaves, settle
from tests.methods.scene import Scene


def groups_of(method: Method, scene: Scene) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Group to its members in the batch; an entity is (side, id), a group (side, gate)."""
    users, positives, negatives = batch_entities(scene)
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for side, ids in ((0, users), (1, sorted({*positives, *negatives}))):
        experts = method.trained.get_submodule(("users", "items")[side])
        assert isinstance(experts, GatedExperts)
        assert experts.gate_TE is not None
        assert experts.gate_bias_E is not None
        for entity in ids:
            logit = scene.tables[side][entity] @ experts.gate_TE + experts.gate_bias_E
            found.setdefault((side, int(logit.argmax())), []).append((side, entity))
    return found


def slow_topology(method: Method, scene: Scene, tables: tuple[Tensor, Tensor], options: HTDSettings) -> Tensor:
    groups = groups_of(method, scene)
    total = torch.zeros((), dtype=torch.float64)
    teacher = [table.double() for table in scene.tables]
    heads: list[tuple[Tensor, Tensor]] = []
    for members in groups.values():
        for a, i in members:
            for b, j in members:
                taught = cosine(teacher[a][i], teacher[b][j])
                if taught > 0 or options.negative == "keep":
                    total = total + (taught - cosine(tables[a][i], tables[b][j])) ** 2
        own = torch.stack([tables[a][i] for a, i in members]).mean(0)
        own = own if options.through_prototypes else own.detach()
        heads.append((torch.stack([teacher[a][i] for a, i in members]).mean(0), own))
    everyone = [(teacher[a][i], tables[a][i]) for members in groups.values() for a, i in members]
    for head in heads:
        for other in everyone if options.groups == "entities" else heads:
            total = total + (cosine(head[0], other[0]) - cosine(head[1], other[1])) ** 2
    return total


CHOICES = [
    {},
    {"negative": "keep"},
    {"through_prototypes": True},
    {"groups": "prototypes", "through_prototypes": True},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_value_and_gradient(scene: Scene, choice: dict[str, Any]) -> None:
    options = HTDSettings.model_validate({"K": 3, "alpha": 0.7, **choice})
    method, tables = scene.method("htd", **{"K": 3, "alpha": 0.7, **choice}), leaves(scene)
    method.start_epoch(scene.student, 0)
    expected = 0.7 * slow_topology(method, scene, tables, options)
    expected = expected + 0.3 * expert_loss(method, scene, *tables, halves=False)
    check(method, scene, expected, tables)


def test_some_groups_are_empty_and_some_have_one_member(scene: Scene) -> None:
    """With as many groups as here most are empty; the loss is the loops' all the same."""
    method, tables = scene.method("htd", K=40, alpha=1.0), leaves(scene)
    method.start_epoch(scene.student, 0)
    assert any(len(members) == 1 for members in groups_of(method, scene).values())
    check(method, scene, slow_topology(method, scene, tables, HTDSettings.model_validate({"K": 40})), tables)


def test_a_zero_vector_has_no_gradient_of_cosines(scene: Scene) -> None:
    method = scene.method("htd", K=2, alpha=1.0)
    method.start_epoch(scene.student, 0)
    with torch.no_grad():
        scene.student.user[4] = 0.0
    loss, grads = settle(method, scene)
    assert torch.isfinite(loss)
    assert torch.equal(grads[0][4], torch.zeros(6))
    assert all(torch.isfinite(grad).all() for grad in grads)


def test_means() -> None:
    value = torch.tensor([[1.0], [3.0], [10.0]])
    assert means(value, torch.tensor([0, 0, 1]), 2).tolist() == [[2.0], [10.0]]


def test_a_term_without_gradient_is_refused() -> None:
    with pytest.raises(ValidationError, match="through_prototypes=true"):
        HTDSettings.model_validate({"groups": "prototypes"})


@pytest.mark.parametrize("wrong", [{"K": 0}, {"alpha": 1.5}, {"choice": "second"}])
def test_settings_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HTDSettings.model_validate(wrong)
