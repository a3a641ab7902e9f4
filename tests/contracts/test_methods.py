"""What every distillation method must pass. A new one is covered by standing in rcekd.methods.METHODS."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.methods import METHODS, Method, build_method
from rcekd.models import MF, Batch, FactorTables, MFSettings, build_model
from rcekd.teachers import FactorTeacher
from rcekd.training.optimizer import Adam
from tests.contracts.board import checkerboard
from tests.contracts.cases import CASES, EXEMPT, ROUNDED
from tests.contracts.teacher import full_teacher
from tests.training.workbench import make_task, make_trainer

TEACHING = [name for name, entry in METHODS.items() if entry.build is not None]
EVERY = [(name, case) for name in TEACHING for case in CASES.get(name, [{}])]
every_method = pytest.mark.parametrize(("name", "case"), EVERY, ids=str)


def every_method_but(contract: str) -> pytest.MarkDecorator:
    """All methods; those that the contract cannot hold for, by their mathematics, have to break it."""

    def param(name: str, case: dict[str, Any]) -> Any:
        reasons = [
            why for method, settings, why in EXEMPT[contract] if method == name and settings.items() <= case.items()
        ]
        return pytest.param(name, case, marks=[pytest.mark.xfail(reason=why, strict=True) for why in reasons])

    return pytest.mark.parametrize(("name", "case"), [param(*each) for each in EVERY], ids=str)


DATA = checkerboard(24, 20)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def make_tables(requires_grad: bool = False) -> FactorTables:
    generator = torch.Generator().manual_seed(1)
    user, item = (torch.randn(n, 5, generator=generator).requires_grad_(requires_grad) for n in (24, 20))
    return FactorTables(user, item)


def make_method(
    name: str, case: dict[str, Any], tables: FactorTables | None = None, student: MF | None = None, *, seed: int = 0
) -> Method:
    knowledge = full_teacher(make_tables() if tables is None else tables)
    made = build_method(METHODS[name].settings.model_validate(case), knowledge, DATA, seed=seed)
    assert made is not None
    made.meet(make_student() if student is None else student)
    return made


def make_student(seed: int = 2) -> MF:
    model = build_model(MFSettings(dim=4, init_std=0.5), DATA, seed=seed)
    assert isinstance(model, MF)
    return model


def whole_batch() -> Batch:
    user_B, item_B = DATA.train.rows(), DATA.train.indices
    return Batch(user_B, item_B, ((item_B + 1) % DATA.n_items)[:, None])


def settle(method: Method, student: MF, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    """Loss and dense gradients of a batch."""
    student.zero_grad()
    loss = method.loss(student, batch)
    loss.backward()
    grads = [parameter.grad for parameter in student.parameters() if parameter.grad is not None]
    return loss.detach(), [grad.to_dense() if grad.is_sparse else grad.clone() for grad in grads]


def close(left: tuple[Tensor, list[Tensor]], right: tuple[Tensor, list[Tensor]]) -> bool:
    return all(
        torch.allclose(one, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))
        for one, other in zip([left[0], *left[1]], [right[0], *right[1]], strict=True)
    )


def same(left: tuple[Tensor, list[Tensor]], right: tuple[Tensor, list[Tensor]]) -> bool:
    return torch.equal(left[0], right[0]) and all(map(torch.equal, left[1], right[1]))


@every_method
def test_it_lowers_its_own_loss(name: str, case: dict[str, Any]) -> None:
    """On the sets of one epoch, followed alone: nearer to the least it can be, the teacher's entropy."""
    method, student = make_method(name, case), make_student()
    method.start_epoch(student, 0)
    parameters = [*student.parameters(), *method.trained.parameters()]
    optimizer = Adam(parameters, learning_rate=0.05, weight_decay=0.0)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = method.loss(student, whole_batch())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert losses[-1] > 0


@every_method
def test_no_gradient_reaches_the_teacher(name: str, case: dict[str, Any]) -> None:
    tables = make_tables(requires_grad=True)
    before = [table.detach().clone() for table in tables]
    method, student = make_method(name, case, tables), make_student()
    method.start_epoch(student, 0)
    settle(method, student, whole_batch())
    assert all(table.grad is None for table in tables)
    assert all(torch.equal(table, old) for table, old in zip(tables, before, strict=True))


@every_method
def test_every_parameter_of_the_student_gets_a_gradient(name: str, case: dict[str, Any]) -> None:
    method, student = make_method(name, case), make_student()
    method.start_epoch(student, 0)
    loss, grads = settle(method, student, whole_batch())
    assert loss.shape == ()
    assert len(grads) == 2
    assert all(torch.isfinite(grad).all() and grad.abs().sum() > 0 for grad in grads)


@every_method
def test_the_order_of_a_batch_does_not_matter(name: str, case: dict[str, Any]) -> None:
    method, student, batch = make_method(name, case), make_student(), whole_batch()
    method.start_epoch(student, 0)
    order = torch.randperm(batch.user_B.numel(), generator=torch.Generator().manual_seed(4))
    shuffled = Batch(*(field[order] for field in batch))
    assert same(settle(method, student, batch), settle(method, student, shuffled))


@every_method
def test_the_number_of_threads_does_not_matter(name: str, case: dict[str, Any]) -> None:
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        method, student = make_method(name, case), make_student()
        method.start_epoch(student, 0)
        found.append(settle(method, student, whole_batch()))
    assert close(*found) if name in ROUNDED else same(*found)


@every_method
def test_an_epoch_does_not_depend_on_those_before(name: str, case: dict[str, Any]) -> None:
    """So that a run can go on from what is saved: a method is a function of (seed, epoch, student, its own state)."""
    student, batch = make_student(), whole_batch()
    fresh, used = make_method(name, case), make_method(name, case)
    for epoch in (0, 1):
        used.start_epoch(make_student(seed=8), epoch)
        settle(used, make_student(seed=8), batch)
    fresh.trained.load_state_dict(used.trained.state_dict())
    for method in (fresh, used):
        method.start_epoch(student, 2)
    assert same(settle(fresh, student, batch), settle(used, student, batch))


@every_method_but("another seed")
def test_another_seed_makes_another_loss(name: str, case: dict[str, Any]) -> None:
    student, losses = make_student(), []
    for seed in (0, 1):
        method = make_method(name, case, seed=seed)
        method.start_epoch(student, 20)  # whatever warm-up there is lies behind
        losses.append(settle(method, student, whole_batch())[0])
    assert not torch.equal(*losses)


@every_method_but("batches add up")
def test_batches_add_up_to_the_epoch(name: str, case: dict[str, Any]) -> None:
    """Weighting by interaction or by user is a sum over users, so halves of an epoch add up to the whole."""
    method, student, batch = make_method(name, case), make_student(), whole_batch()
    method.start_epoch(student, 0)
    half = batch.user_B.numel() // 2
    parts = [settle(method, student, Batch(*(f[part] for f in batch)))[0] for part in (slice(half), slice(half, None))]
    assert sum(parts).item() == pytest.approx(settle(method, student, batch)[0].item(), rel=1e-5)


@every_method_but("nothing left to learn")
def test_a_student_that_is_the_teacher_has_nothing_left_to_learn(name: str, case: dict[str, Any]) -> None:
    tables = make_tables()
    student = build_model(MFSettings(dim=5), DATA, seed=0)
    assert isinstance(student, MF)
    with torch.no_grad():
        student.user.copy_(tables.user_UD)
        student.item.copy_(tables.item_ID)
    method = make_method(name, case, tables, student=student)
    method.start_epoch(student, 0)
    _, grads = settle(method, student, whole_batch())
    assert all(grad.abs().max() < 1e-4 for grad in grads)


@every_method
def test_its_report_is_plain_numbers(name: str, case: dict[str, Any]) -> None:
    method = make_method(name, case)
    method.start_epoch(make_student(), 0)
    assert all(isinstance(value, float) for value in method.report().values())


@pytest.mark.parametrize("name", TEACHING)
def test_it_says_where_it_comes_from(name: str) -> None:
    method = make_method(name, CASES.get(name, [{}])[0])
    assert method.name == name
    assert len(method.citation) > 20


@pytest.mark.parametrize("name", TEACHING)
def test_it_trains_in_the_loop(name: str, tmp_path: Path) -> None:
    case = CASES.get(name, [{}])[0]
    trainer, observer = make_trainer(make_task(DATA, method=name, case=case), tmp_path)
    trainer.run()
    assert all({"kd_loss", "base_loss"} <= line.keys() for line in observer.lines)
    assert observer.lines[-1]["loss"] < observer.lines[0]["loss"]


def test_the_student_alone_has_no_method() -> None:
    settings = METHODS["none"].settings.model_validate({})
    assert build_method(settings, FactorTeacher(make_tables()), DATA, seed=0) is None
