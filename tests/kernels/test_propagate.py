"""Native propagation against the twin, the twin against the dense formula."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.csr import CSR
from rcekd.kernels.propagate import layer_mean, propagate

# users, items, width, share of all pairs that are edges
SHAPES = [
    (1, 1, 1, 1.0),
    (5, 40, 3, 0.3),
    (60, 30, 20, 0.1),
    (9, 70, 64, 0.5),
    (300, 500, 65, 0.02),
    (40, 60, 401, 0.1),
]
EMPTY = [(0, 5, 3, 0.0), (4, 0, 3, 0.0), (4, 5, 0, 0.5), (4, 5, 3, 0.0)]
LAYERS = (0, 1, 2, 3)


def make_graph(users: int, items: int, share: float, seed: int = 0) -> BipartiteGraph:
    """Random edges; where there are several users and items, the first, the last and some between have none."""
    generator = torch.Generator().manual_seed(seed)
    edge_UI = torch.rand(users, items, generator=generator) < share
    if users > 4:
        edge_UI[[0, users // 2, -1]] = False
    if items > 4:
        edge_UI[:, [0, items // 2, -1]] = False
    user, item = edge_UI.nonzero().T
    return BipartiteGraph.of(CSR.from_pairs(user, item, users), items)


def make_tables(users: int, items: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(users, width, generator=generator), torch.randn(items, width, generator=generator)


def dense(graph: BipartiteGraph) -> Tensor:
    """D^{-1/2} A D^{-1/2} of all nodes, users first, float64 [U + I, U + I]: the paper's equation 8."""
    edge_UI = torch.zeros(graph.n_users, graph.n_items, dtype=torch.float64)
    edge_UI[graph.items_of_user.rows().long(), graph.items_of_user.indices.long()] = 1.0
    users, items = edge_UI.shape
    top = torch.cat([torch.zeros(users, users), edge_UI], dim=1)
    all_NN = torch.cat([top, torch.cat([edge_UI.T, torch.zeros(items, items)], dim=1)])
    scale_N = all_NN.sum(1).clamp(min=1).rsqrt()
    return scale_N[:, None] * all_NN * scale_N


def mean_of_powers(graph: BipartiteGraph, user_UD: Tensor, item_ID: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    table_ND, power_NN = torch.cat([user_UD, item_ID]).double(), dense(graph)
    found = sum(torch.linalg.matrix_power(power_NN, k) @ table_ND for k in range(layers + 1)) / (layers + 1)
    assert isinstance(found, Tensor)
    return found[: graph.n_users], found[graph.n_users :]


def outcome(operation: Callable[..., Any], tables: tuple[Tensor, Tensor], seed: int = 5) -> list[Tensor]:
    """Both tables, and the gradients of a random weighting of their entries."""
    user, item = (table.clone().requires_grad_() for table in tables)
    found = operation(user, item)
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(table.shape, generator=generator).to(table.dtype) for table in found]
    torch.autograd.backward(list(found), weights)
    assert user.grad is not None
    assert item.grad is not None
    return [*(table.detach() for table in found), user.grad, item.grad]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_hop_equals_its_twin(
    shape: tuple[int, int, int, float], assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]
) -> None:
    users, items, width, share = shape
    graph, tables = make_graph(users, items, share), make_tables(users, items, width)
    found = outcome(lambda u, i: propagate(graph, u, i), tables)
    plain = outcome(lambda u, i: reference.propagate(graph, u, i), tables)
    exact = outcome(lambda u, i: reference.propagate(graph, u, i), (tables[0].double(), tables[1].double()))
    for triple in zip(found, plain, exact, strict=True):
        assert_as_exact(*triple)


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_mean_of_layers_equals_its_twin(shape: tuple[int, int, int, float], layers: int) -> None:
    users, items, width, share = shape
    graph, tables = make_graph(users, items, share), make_tables(users, items, width)
    found = outcome(lambda u, i: layer_mean(graph, u, i, layers), tables)
    exact = outcome(lambda u, i: reference.layer_mean(graph, u, i, layers), (tables[0].double(), tables[1].double()))
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("layers", LAYERS)
def test_the_twin_is_the_dense_formula(layers: int) -> None:
    graph, tables = make_graph(30, 20, 0.2), make_tables(30, 20, 7)
    exact = reference.layer_mean(graph, tables[0].double(), tables[1].double(), layers)
    for found, expected in zip(exact, mean_of_powers(graph, *tables, layers), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)  # the scales are float32


def test_by_hand() -> None:
    """Users 0: {0, 1}, 1: {1}; item 2 and user 2 are alone."""
    graph = BipartiteGraph.of(CSR(torch.tensor([0, 2, 3, 3]), torch.tensor([0, 1, 1], dtype=torch.int32)), 3)
    user, item = propagate(graph, torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[10.0], [20.0], [40.0]]))
    expected_U = torch.tensor([10 / 2**0.5 + 20 / 2, 20 / 2**0.5, 0.0])
    expected_I = torch.tensor([1 / 2**0.5, 1 / 2 + 2 / 2**0.5, 0.0])
    torch.testing.assert_close(user.flatten(), expected_U)
    torch.testing.assert_close(item.flatten(), expected_I)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_nodes_without_edges(shape: tuple[int, int, int, float]) -> None:
    users, items, width, share = shape
    graph, tables = make_graph(users, items, share), make_tables(users, items, width)
    found = layer_mean(graph, *tables, 3)
    for table, mean, scale in zip(tables, found, (graph.user_scale_U, graph.item_scale_I), strict=True):
        torch.testing.assert_close(mean[scale == 0], table[scale == 0] / 4)
    for hop, scale in zip(propagate(graph, *tables), (graph.user_scale_U, graph.item_scale_I), strict=True):
        assert not bool(hop[scale == 0].any())


@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_nothing(shape: tuple[int, int, int, float]) -> None:
    users, items, width, share = shape
    graph, tables = make_graph(users, items, share), make_tables(users, items, width)
    for operation in (lambda u, i: propagate(graph, u, i), lambda u, i: layer_mean(graph, u, i, 2)):
        user, item, user_grad, item_grad = outcome(operation, tables)
        assert user.shape == user_grad.shape == (users, width)
        assert item.shape == item_grad.shape == (items, width)


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    for users, items, width, share in SHAPES:
        graph, tables = make_graph(users, items, share), make_tables(users, items, width)
        same_bytes(lambda g=graph, t=tables: outcome(lambda u, i: layer_mean(g, u, i, 3), t))  # type: ignore[misc]


def test_rows_of_zeros_are_passed_over_without_a_trace() -> None:
    """A gradient has few rows that are not zero: the sum is what it is with them, to the bit."""
    graph, (user, item) = make_graph(60, 300, 0.1), make_tables(60, 300, 37)
    item[torch.arange(300) % 3 > 0] = 0.0
    item[7, 36] = 1.0  # the last column alone
    found = propagate(graph, user, item).user_UD
    whole = torch.cat([item, torch.ones(300, 1)], dim=1)  # no row of zeros
    expected = propagate(graph, torch.cat([user, torch.ones(60, 1)], dim=1), whole).user_UD
    assert torch.equal(found, expected[:, :37])


def test_one_side_alone_may_have_a_gradient() -> None:
    graph, (user, item) = make_graph(9, 11, 0.4), make_tables(9, 11, 5)
    whole = outcome(lambda u, i: (propagate(graph, u, i).user_UD,), (user, item))
    item.requires_grad_()
    found = propagate(graph, user, item).user_UD
    (grad,) = torch.autograd.grad(found.sum(), item, create_graph=True)
    assert grad.shape == item.shape
    assert torch.equal(whole[0], found.detach())
    assert not bool(whole[1].any())  # users do not depend on their own


def test_the_gradient_is_itself_differentiable() -> None:
    graph, (user, item) = make_graph(9, 11, 0.4), make_tables(9, 11, 5)
    user.requires_grad_(), item.requires_grad_()
    mean = layer_mean(graph, user, item, 2)
    (grad,) = torch.autograd.grad(mean.user_UD.square().sum() / 2, user, create_graph=True)
    (second,) = torch.autograd.grad(grad[4].sum(), user)
    weight = torch.zeros(9, 5)
    weight[4] = 1.0
    once = layer_mean(graph, weight, torch.zeros(11, 5), 2).user_UD
    torch.testing.assert_close(second, layer_mean(graph, once, torch.zeros(11, 5), 2).user_UD)


@pytest.mark.parametrize("layers", [1, 3])
def test_gradcheck(layers: int) -> None:
    graph = make_graph(6, 7, 0.5)
    user, item = (table.double().requires_grad_() for table in make_tables(6, 7, 2))
    assert torch.autograd.gradcheck(lambda u, i: tuple(layer_mean(graph, u, i, layers)), (user, item))
    assert torch.autograd.gradcheck(lambda u, i: tuple(propagate(graph, u, i)), (user, item))


def test_any_layout() -> None:
    graph, (user, item) = make_graph(9, 11, 0.4), make_tables(9, 11, 5)
    expected = layer_mean(graph, user, item, 2)
    found = layer_mean(graph, user.T.contiguous().T, item.T.contiguous().T, 2)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("user", "item", "error", "match"),
    [
        (torch.zeros(8, 5), torch.zeros(11, 5), ValueError, r"user_factor_UD must have shape \[9, 5\]"),
        (torch.zeros(9, 5), torch.zeros(12, 5), ValueError, r"item_factor_ID must have shape \[11, 5\]"),
        (torch.zeros(9, 5), torch.zeros(11, 4), ValueError, "width 4"),
        (torch.zeros(9, 5).double(), torch.zeros(11, 5), TypeError, "share dtype"),
        (torch.zeros(9), torch.zeros(11), ValueError, r"\[rows, D\]"),
    ],
)
def test_misuse(user: Tensor, item: Tensor, error: type[Exception], match: str) -> None:
    graph = make_graph(9, 11, 0.4)
    with pytest.raises(error, match=match):
        propagate(graph, user, item)
    with pytest.raises(error, match=match):
        layer_mean(graph, user, item, 3)


def test_a_negative_number_of_layers() -> None:
    with pytest.raises(ValueError, match="layers must be 0 or more"):
        layer_mean(make_graph(9, 11, 0.4), *make_tables(9, 11, 5), -1)
