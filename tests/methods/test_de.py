"""DE against loops over entities and experts."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from rcekd.methods.base import require_started
from rcekd.methods.common.experts import Annealing, GatedExperts, gumbel
from rcekd.methods.de import DE, DESettings
from rcekd.models import Batch
from rcekd.streams import stream
from tests.methods.feature_oracle import check, expert_loss, leaves, settle
from tests.methods.scene import Scene, all_differ


@pytest.mark.parametrize("epoch", [0, 3])
@pytest.mark.parametrize("experts", [1, 4])
def test_value_and_gradient(scene: Scene, experts: int, epoch: int) -> None:
    method = scene.method("de", E=experts, anneal={"end": 1e-3, "epochs": 5})
    method.start_epoch(scene.student, epoch)
    tables = leaves(scene)
    check(method, scene, expert_loss(method, scene, *tables, halves=True), tables)


def test_an_item_that_is_positive_and_negative_counts_two_halves(scene: Scene) -> None:
    """Negatives that are the positives: users once, items once in all."""
    user_B, positive_B, _ = scene.batch
    scene = replace(scene, batch=Batch(user_B, positive_B, positive_B[:, None]))
    method = scene.method("de", E=2)
    method.start_epoch(scene.student, 0)
    loss, _ = settle(method, scene)
    assert loss.item() == pytest.approx(expert_loss(method, scene, *leaves(scene), halves=False).item(), rel=1e-5)


def test_one_expert_is_a_plain_projector(scene: Scene) -> None:
    """FitNet: no gate, no noise, so no difference between epochs."""
    method = scene.method("de", E=1)
    assert not any("gate" in key for key in method.trained.state_dict())
    losses = []
    for epoch in (0, 5):
        method.start_epoch(scene.student, epoch)
        losses.append(settle(method, scene)[0].item())
    assert losses[0] == losses[1]


def made(experts: int = 3, student_dim: int = 4, teacher_dim: int = 7) -> GatedExperts:
    return GatedExperts(experts, student_dim, teacher_dim, stream(1, "test"))


@pytest.mark.parametrize(("student_dim", "teacher_dim", "hidden"), [(4, 8, 6), (6, 6, 3), (1, 1, 1)])
def test_hidden_width(student_dim: int, teacher_dim: int, hidden: int) -> None:
    assert made(2, student_dim, teacher_dim).inner_EDH.shape == (2, student_dim, hidden)


@pytest.mark.parametrize("skewed", [False, True])
def test_leaving_out_what_weighs_nothing_changes_nothing(skewed: bool) -> None:
    """Hard choices by the gathered road and by the dense one: values and all gradients."""
    experts = made().double()
    rows = torch.randn(20, 4, dtype=torch.float64, generator=stream(2, "rows"))
    pick = torch.arange(20) % 3 if not skewed else torch.tensor([0] * 4 + [2] * 6 + [1] * 10)
    share = torch.nn.functional.one_hot(pick, 3).double()
    share[3] = torch.tensor([0.25, 0.75, 0.0])
    taken = share > 0
    found = []
    for gathered in (True, False):
        row, choice = rows.clone().requires_grad_(), share.clone().requires_grad_()
        experts.zero_grad()
        out = experts._taken(row, choice, taken) if gathered else experts._all(row, choice)
        out.square().sum().backward()
        assert row.grad is not None
        found.append([out.detach(), row.grad, *(p.grad for p in experts.parameters() if p.grad is not None)])
    for left, right in zip(*found, strict=True):
        torch.testing.assert_close(left, right)


def test_gates_become_hard() -> None:
    experts, teacher = made(), torch.randn(50, 7, generator=stream(3, "teacher"))
    noise = gumbel(0, "test", 0, 50, 3)
    soft, hard, limit = (experts.choose(teacher, noise, t) for t in (1.0, 2e-4, 1e-10))
    assert soft.max() < 1.0
    torch.testing.assert_close(soft.sum(1), torch.ones(50))
    assert torch.equal(limit.sum(1), torch.ones(50))
    assert torch.equal(hard.argmax(1), limit.argmax(1))
    assert torch.equal(experts(torch.zeros(0, 4), limit[:0]), torch.zeros(0, 7))


def test_noise_is_gumbel_and_of_its_epoch_alone() -> None:
    noise = gumbel(5, "test", 2, 20000, 4)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.02)
    assert noise.std().item() == pytest.approx(1.2825, abs=0.02)
    assert torch.equal(noise, gumbel(5, "test", 2, 20000, 4))
    assert not torch.equal(noise, gumbel(5, "test", 3, 20000, 4))


def test_noise_is_new_for_every_epoch_and_seed_and_another_on_either_side(scene: Scene) -> None:
    found = []
    for seed, epoch in ((3, 0), (3, 1), (4, 0)):
        method = scene.method("de", seed=seed, E=3)
        assert isinstance(method, DE)
        method.start_epoch(scene.student, epoch)
        noise = require_started(method._noise)
        found += [side[:30] for side in (noise.user_UE, noise.item_IE)]
    assert all_differ(found)


def test_temperature_falls_and_stays() -> None:
    anneal = Annealing(epochs=10)
    assert anneal.at(0) == 1.0
    assert anneal.at(5) == pytest.approx(1e-5)
    assert anneal.at(10) == anneal.at(500) == pytest.approx(1e-10)


def test_an_epoch_is_mixed_at_its_own_temperature(scene: Scene) -> None:
    method = scene.method("de", E=3, anneal={"epochs": 5})
    for epoch, temperature in ((0, 1.0), (2, 1e-4), (5, 1e-10)):
        method.start_epoch(scene.student, epoch)
        assert method.report() == {"temperature": pytest.approx(temperature)}


def test_layers_start_as_torchs_linear_ones_do() -> None:
    """Uniform within ±1/√fan-in; the draws are 1,500, so that their ends are near."""
    weight_EDH = GatedExperts(20, 25, 50, torch.Generator().manual_seed(0)).inner_EDH.detach()
    assert 0.98 * 0.2 < float(weight_EDH.max()) <= 0.2
    assert -0.2 <= float(weight_EDH.min()) < -0.98 * 0.2


@pytest.mark.parametrize("wrong", [{"E": 0}, {"weighting": "user"}, {"anneal": {"end": 0}}, {"K": 3}])
def test_settings_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DESettings.model_validate(wrong)


def test_the_experts_are_the_seeds(scene: Scene) -> None:
    states = [scene.method("de", seed=seed).trained.state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not any(torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_it_needs_its_epoch_begun(scene: Scene) -> None:
    method = scene.method("de")
    assert isinstance(method, DE)
    with pytest.raises(RuntimeError, match="start_epoch"):
        method.loss(scene.student, scene.batch)
