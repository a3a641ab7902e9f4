"""LightGCN: propagated scores by the dense formula, one propagation a step, edges left out."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.reference import bpr_loss
from rcekd.methods import build_method, find
from rcekd.models import Batch, LightGCN, LightGCNSettings, build_model, lightgcn
from rcekd.stopwatch import Stopwatch
from rcekd.training.batches import TrainingPairs
from rcekd.training.settings import TrainSettings
from tests.contracts.board import bare, checkerboard
from tests.contracts.cases import CASES
from tests.contracts.teacher import full_teacher
from tests.kernels.test_propagate import mean_of_powers

DATA = checkerboard(30, 24)


def make_model(data: Interactions = DATA, seed: int = 0, **settings: Any) -> LightGCN:
    model = build_model(LightGCNSettings.model_validate({"dim": 5, **settings}), data, seed=seed)
    assert isinstance(model, LightGCN)
    return model


def one_batch() -> Batch:
    return next(TrainingPairs(DATA).epoch(TrainSettings(batch_size=100), 0, 0, Stopwatch()))


@pytest.fixture
def propagations(monkeypatch: pytest.MonkeyPatch) -> list[BipartiteGraph]:
    """The graph of every propagation."""
    graphs: list[BipartiteGraph] = []
    original: Callable[..., Any] = lightgcn.layer_mean

    def counting(graph: BipartiteGraph, *arguments: Any) -> Any:
        graphs.append(graph)
        return original(graph, *arguments)

    monkeypatch.setattr(lightgcn, "layer_mean", counting)
    return graphs


@pytest.mark.parametrize("layers", [1, 3])
def test_factors_are_the_mean_of_the_dense_powers(layers: int) -> None:
    model = make_model(layers=layers)
    expected = mean_of_powers(DATA.graph, model.user.detach(), model.item.detach(), layers)
    for found, exact in zip(model.tables(), expected, strict=True):
        torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-6)


def test_initial_values_are_normal_with_the_deviation_asked_for() -> None:
    model = make_model(bare(400, 300), dim=50, init_std=0.3)
    for table in (model.user, model.item):
        assert table.std().item() == pytest.approx(0.3, rel=0.02)


def test_loss_and_gradient_are_those_of_the_dense_formula() -> None:
    model, batch = make_model(), one_batch()
    model.loss(batch).backward()  # type: ignore[no-untyped-call]
    user, item = (table.detach().double().requires_grad_() for table in (model.user, model.item))
    exact = bpr_loss(*mean_of_powers(DATA.graph, user, item, 3), *batch)
    exact.backward()  # type: ignore[no-untyped-call]
    assert model.loss(batch).item() == pytest.approx(exact.item(), rel=1e-5)
    for found, expected in ((model.user.grad, user.grad), (model.item.grad, item.grad)):
        assert found is not None
        assert expected is not None
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)


def test_a_cold_item_keeps_its_share_of_layer_0() -> None:
    model = make_model(bare(4, 6))  # item 0 alone has users
    torch.testing.assert_close(model.tables().item_ID[1:], model.item.detach()[1:] / 4)


def test_a_step_with_a_method_propagates_once(propagations: list[BipartiteGraph]) -> None:
    teacher = full_teacher(make_model(dim=7, seed=3).tables())
    for name in ("rcekd", "rrd", "de", "freqd", "hetcomp"):
        student, batch = make_model(), one_batch()
        settings = find(name).settings.model_validate(CASES[name][0])
        method = build_method(settings, teacher, DATA, seed=0)
        assert method is not None
        method.meet(student)
        method.start_epoch(student, 0)
        optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
        propagations.clear()
        for step in (1, 2):
            (student.loss(batch) + method.loss(student, batch)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            assert len(propagations) == step, name


def test_tables_are_made_once_for_parameters_as_they_are(propagations: list[BipartiteGraph]) -> None:
    model = make_model()
    model.tables(), model.tables()
    assert len(propagations) == 1
    with torch.no_grad():
        model.user.add_(1.0)
    model.tables()
    assert len(propagations) == 2


def test_left_out_edges_depend_on_seed_and_epoch_alone(propagations: list[BipartiteGraph]) -> None:
    def edges(model: LightGCN, seed: int, epoch: int) -> Tensor:
        model.begin_epoch(seed, epoch)
        model.item_factors()
        return propagations[-1].items_of_user.indices

    model, other = make_model(edge_dropout=0.5), make_model(edge_dropout=0.5, seed=1)
    first = edges(model, 7, 3)
    assert 0.35 < first.numel() / DATA.graph.n_edges < 0.65
    assert not torch.equal(first, edges(model, 7, 4))
    assert not torch.equal(first, edges(model, 8, 3))
    assert torch.equal(first, edges(other, 7, 3))


def test_nothing_is_left_out_in_judging(propagations: list[BipartiteGraph]) -> None:
    model, whole = make_model(edge_dropout=0.5), make_model()
    model.begin_epoch(0, 0)
    assert not torch.equal(model.item_factors(), whole.item_factors())
    assert torch.equal(model.tables().item_ID, whole.tables().item_ID)
    assert propagations[-1] is DATA.graph
    model.eval()
    assert torch.equal(model.item_factors(), whole.item_factors())


def test_a_new_epoch_forgets_the_old_ones_tables() -> None:
    model = make_model(edge_dropout=0.5)
    model.begin_epoch(0, 0)
    first = model.item_factors()
    model.begin_epoch(0, 1)
    assert not torch.equal(first, model.item_factors())


def test_a_copy_shares_the_data_and_nothing_else() -> None:
    model = make_model()
    before = model.tables().user_UD.clone()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.user.add_(1.0)
    assert torch.equal(model.tables().user_UD, before)
    assert not torch.equal(twin.tables().user_UD, before)
    assert copy.deepcopy(DATA) is DATA


@pytest.mark.parametrize(
    "wrong", [{"layers": 0}, {"edge_dropout": 1.0}, {"edge_dropout": -0.1}, {"dim": 0}, {"hops": 2}]
)
def test_wrong_settings(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LightGCNSettings.model_validate(wrong)
