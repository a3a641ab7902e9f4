"""What every backbone must pass. A new one is covered by standing in rcekd.models.MODELS."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.evaluation.ranking import EvalSettings, evaluate
from rcekd.kernels.csr import CSR
from rcekd.models import MODELS, Backbone, Batch, build_model
from rcekd.stopwatch import Stopwatch
from rcekd.training.batches import training_batches
from rcekd.training.early_stopping import BestEpoch
from rcekd.training.settings import TrainSettings
from tests.contracts.backbones import BACKBONES, ROUNDED, TRAIN, Case, cases
from tests.contracts.board import checkerboard
from tests.training.workbench import Task, make_trainer

pytestmark = pytest.mark.parametrize(("name", "case"), cases())


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def make_model(name: str, case: Case, data: Interactions, seed: int = 0) -> Backbone:
    return build_model(MODELS[name].settings.model_validate(case.settings), case.furnish(data), seed=seed)


def make_task(name: str, case: Case, data: Interactions, **changed: Any) -> Task:
    settings = TrainSettings.model_validate({**TRAIN.model_dump(), **case.train, **changed})
    return Task(name, make_model(name, case, data), data, settings, EvalSettings(), 0, "identity")


def batches(data: Interactions, model: Backbone) -> Iterator[Batch]:
    return training_batches(data, model.window).epoch(TRAIN, 0, 0, Stopwatch())


def parts(batch: Batch, model: Backbone) -> list[Batch]:
    """The least that a batch can hold: an interaction each, or a user each for a model with a window."""
    sizes = [1] * batch.user_B.numel()
    if model.window is not None:
        sizes = torch.unique_consecutive(batch.user_B, return_counts=True)[1].tolist()
    return [Batch(*fields) for fields in zip(*(field.split(sizes) for field in batch), strict=True)]


def test_it_learns_a_checkerboard(name: str, case: Case, tmp_path: Path) -> None:
    """50 × 50: an item is liked where its parity is the user's; the unseen liked items come out on top."""
    data = checkerboard(50, 50)
    trained = make_trainer(make_task(name, case, data), tmp_path)[0].run()
    assert trained.metrics["test"]["recall@10"] > case.learns
    model = make_model(name, case, data, seed=5)
    assert evaluate(model.tables(), data, EvalSettings())["test"]["recall@10"] < 0.6


def test_tables_are_its_scores_in_the_promised_shape(name: str, case: Case) -> None:
    data = checkerboard(20, 16)
    model = make_model(name, case, data)
    tables = model.tables()
    assert tables.user_UD.shape == (20, model.dim)
    assert tables.item_ID.shape == (16, model.dim)
    for table in tables:
        assert table.dtype == torch.float32
        assert not table.requires_grad
    model.eval()
    for users in (torch.tensor([3, 3, 19, 0]), torch.tensor([3, 3, 19, 0], dtype=torch.int32), torch.tensor([7])):
        if name in ROUNDED:
            torch.testing.assert_close(model.user_factors(users), tables.user_UD[users.long()])
        else:
            assert torch.equal(model.user_factors(users), tables.user_UD[users.long()])


def test_its_loss_is_a_sum_over_interactions(name: str, case: Case) -> None:
    data = checkerboard(20, 16)
    model = make_model(name, case, data).eval()
    batch = next(batches(data, model))
    whole = model.loss(batch)
    assert whole.shape == ()
    assert whole.item() == pytest.approx(sum(model.loss(part).item() for part in parts(batch, model)), rel=1e-5)


def test_all_its_parameters_learn(name: str, case: Case) -> None:
    data = checkerboard(20, 16)
    model = make_model(name, case, data)
    for batch in batches(data, model):
        model.loss(batch).backward()
    for parameter in model.parameters():
        assert parameter.grad is not None
        grad = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
        assert torch.isfinite(grad).all()
        assert grad.abs().sum() > 0


def test_the_seed_alone_makes_it(name: str, case: Case) -> None:
    data = checkerboard(20, 16)
    torch.manual_seed(1)
    first = make_model(name, case, data).state_dict()
    torch.manual_seed(2)
    second, other = make_model(name, case, data).state_dict(), make_model(name, case, data, seed=1).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_it_has_no_state_outside_its_parameters(name: str, case: Case) -> None:
    """A model given another's state_dict is that other: same loss, same factors."""
    data = checkerboard(20, 16)
    first, second = make_model(name, case, data), make_model(name, case, data, seed=1)
    optimizer = torch.optim.SGD(first.parameters(), lr=0.1)
    for batch in batches(data, first):
        optimizer.zero_grad()
        first.loss(batch).backward()
        optimizer.step()
    second.load_state_dict(first.state_dict())
    batch = next(batches(data, first))
    first.eval(), second.eval()
    assert torch.equal(first.loss(batch), second.loss(batch))
    assert all(torch.equal(a, b) for a, b in zip(first.tables(), second.tables(), strict=True))
    assert {key for key, _ in first.named_parameters()} == set(first.state_dict())
    assert first.parameter_count() == sum(value.numel() for value in first.state_dict().values())


def test_tables_leave_it_as_it_was(name: str, case: Case) -> None:
    model = make_model(name, case, checkerboard(20, 16))
    for mode in (True, False):
        model.train(mode)
        model.tables()
        assert model.training == mode


def test_it_goes_on_to_the_same_bytes_after_a_stop(
    name: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, short = checkerboard(20, 16), {"epochs": 4, "checkpoint_seconds": 0.0}
    make_trainer(make_task(name, case, data, **short), tmp_path / "whole")[0].run()
    trainer, _ = make_trainer(make_task(name, case, data, **short), tmp_path / "stopped")
    update, calls = BestEpoch.update, iter(range(100))

    def stop(self: BestEpoch, *arguments: object) -> bool:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return update(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(BestEpoch, "update", stop)
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
    make_trainer(make_task(name, case, data, **short), tmp_path / "stopped")[0].run()
    first, second = (tmp_path / place / "model.safetensors" for place in ("whole", "stopped"))
    assert first.read_bytes() == second.read_bytes()


def test_users_without_training_items(name: str, case: Case, tmp_path: Path) -> None:
    """The first, the last and some between have none: they get factors, and the others learn as before."""
    data = checkerboard(50, 50)
    rows = [row if user % 10 else row[:0] for user, row in enumerate(data.train.indices.split(15))]
    rows[-1] = rows[-1][:0]
    lengths = torch.tensor([0, *(row.numel() for row in rows)])
    data = replace(data, train=CSR(lengths.cumsum(0), torch.cat(rows)))
    task = make_task(name, case, data)
    make_trainer(task, tmp_path)[0].run()
    tables = task.model.tables()
    assert torch.isfinite(tables.user_UD).all()
    assert tables.n_users == 50
    found = evaluate(tables, data, EvalSettings())
    assert found["test"]["recall@10"] > 0.7


def test_every_backbone_is_run_through_these(name: str, case: Case) -> None:
    del name, case
    assert set(BACKBONES) == set(MODELS)
