"""The feature losses written a second time, one entity and one pair after the other, in float64."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rcekd.methods.base import Method
from rcekd.methods.common.experts import GatedExperts
from tests.methods.scene import Scene

Side = tuple[str, int]


def batch_entities(scene: Scene) -> tuple[list[int], list[int], list[int]]:
    """Distinct users, positives and negatives."""
    batch = scene.batch
    return tuple(sorted(set(ids.flatten().tolist())) for ids in (batch.user_B, batch.positive_B, batch.negative_BN))  # type: ignore[return-value]


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """0 where a vector is 0."""
    if not (left.any() and right.any()):
        return torch.zeros((), dtype=torch.float64)
    return (left * right).sum() / (left.square().sum().sqrt() * right.square().sum().sqrt())


def expert(experts: GatedExperts, m: int, vector: Tensor) -> Tensor:
    """Expert m on one vector."""
    hidden = torch.relu(vector @ experts.inner_EDH[m].detach().double() + experts.inner_bias_EH[m].detach().double())
    return hidden @ experts.outer_EHT[m].detach().double() + experts.outer_bias_ET[m].detach().double()


def mix(experts: GatedExperts, teacher: Tensor, noise: Sequence[float], temperature: float) -> list[float]:
    """z of one entity, by Python floats."""
    if experts.gate_TE is None or experts.gate_bias_E is None:
        return [1.0]
    logit = (teacher @ experts.gate_TE.detach().double() + experts.gate_bias_E.detach().double()).tolist()
    total = sum(math.exp(x) for x in logit)
    value = [(math.log(math.exp(x) / total + 1e-10) + g) / temperature for x, g in zip(logit, noise, strict=True)]
    share = [math.exp(v - max(value)) for v in value]
    return [s / sum(share) for s in share]


def project(experts: GatedExperts, vector: Tensor, z: Sequence[float]) -> Tensor:
    """Σ_m z_m E_m(s)."""
    return sum((share * expert(experts, m, vector) for m, share in enumerate(z)), torch.zeros((), dtype=torch.float64))


def projector(method: Method, scene: Scene, side: str) -> Callable[[Tensor, int], Tensor]:
    """The projector of one side with the method's own noise and temperature: (vector, id) to the teacher's space."""
    experts = method.trained.get_submodule(side)
    assert isinstance(experts, GatedExperts)
    table = scene.tables.user_UD if side == "users" else scene.tables.item_ID
    noise = method._noise.user_UE if side == "users" else method._noise.item_IE  # type: ignore[attr-defined]
    temperature = float(method.report()["temperature"])

    def through(vector: Tensor, entity: int) -> Tensor:
        z = mix(experts, table[entity].double(), noise[entity].tolist(), temperature)
        return project(experts, vector, z)

    return through


def expert_loss(method: Method, scene: Scene, user_UD: Tensor, item_ID: Tensor, *, halves: bool) -> Tensor:
    """DE's loss; without `halves` an item counts once, however many places it has (HTD)."""
    users, positives, negatives = batch_entities(scene)
    user, item = projector(method, scene, "users"), projector(method, scene, "items")
    teacher_user, teacher_item = (table.double() for table in scene.tables)
    total = torch.zeros((), dtype=torch.float64)
    for u in users:
        total = total + (teacher_user[u] - user(user_UD[u], u)).square().sum()
    listed = [(0.5, i) for i in [*positives, *negatives]] if halves else [(1.0, i) for i in {*positives, *negatives}]
    for weight, i in listed:
        total = total + weight * (teacher_item[i] - item(item_ID[i], i)).square().sum()
    return total


def settle(method: Method, scene: Scene) -> tuple[Tensor, list[Tensor]]:
    """The method's loss and its gradients of the student's tables."""
    scene.student.zero_grad()
    loss = method.loss(scene.student, scene.batch)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), [p.grad.to_dense() for p in scene.student.parameters() if p.grad is not None]


def leaves(scene: Scene) -> tuple[Tensor, Tensor]:
    """The student's tables as float64 leaves."""
    return (
        scene.student.user.detach().double().requires_grad_(),
        scene.student.item.detach().double().requires_grad_(),
    )


def check(method: Method, scene: Scene, expected: Tensor, tables: tuple[Tensor, Tensor], rtol: float = 2e-5) -> None:
    """Value and gradients of the method beside the slow ones."""
    loss, grads = settle(method, scene)
    expected.backward()  # type: ignore[no-untyped-call]
    assert abs(loss.item() - expected.item()) <= rtol * abs(expected.item())
    for found, table in zip(grads, tables, strict=True):
        assert table.grad is not None
        torch.testing.assert_close(found.double(), table.grad, rtol=rtol, atol=rtol * float(table.grad.abs().max()))
