"""The graph of users and items: both directions, scales, and edges left out."""

import torch
from torch import Tensor

from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.csr import CSR
from rcekd.kernels.propagate import propagate
from tests.kernels.test_propagate import make_graph, make_tables


def edges(graph: BipartiteGraph) -> set[tuple[int, int]]:
    return set(zip(graph.items_of_user.rows().tolist(), graph.items_of_user.indices.tolist(), strict=True))


def reversed_edges(graph: BipartiteGraph) -> set[tuple[int, int]]:
    return set(zip(graph.users_of_item.indices.tolist(), graph.users_of_item.rows().tolist(), strict=True))


def test_both_directions_hold_the_same_edges_in_ascending_rows() -> None:
    graph = make_graph(60, 30, 0.2)
    assert (graph.n_users, graph.n_items, graph.n_edges) == (60, 30, len(edges(graph)))
    assert edges(graph) == reversed_edges(graph)
    for csr in (graph.items_of_user, graph.users_of_item):
        assert torch.equal(csr.sorted_unique().indices, csr.indices)
        assert (csr.indptr.dtype, csr.indices.dtype) == (torch.int64, torch.int32)


def test_scales_are_the_degrees() -> None:
    csr = CSR(torch.tensor([0, 3, 3, 4]), torch.tensor([0, 1, 3, 1], dtype=torch.int32))
    graph = BipartiteGraph.of(csr, 5)
    assert graph.user_scale_U.tolist() == torch.tensor([3**-0.5, 0.0, 1.0]).tolist()
    assert graph.item_scale_I.tolist() == torch.tensor([1.0, 2**-0.5, 0.0, 1.0, 0.0]).tolist()
    assert graph.users_of_item.indptr.tolist() == [0, 1, 3, 3, 4, 4]
    assert graph.users_of_item.indices.tolist() == [0, 0, 2, 0]


def test_what_is_left_out_is_left_out_in_both_directions() -> None:
    graph = make_graph(60, 30, 0.4)
    dropped = graph.dropped(0.3, torch.Generator().manual_seed(1))
    assert edges(dropped) == reversed_edges(dropped) < edges(graph)
    assert 0.6 * graph.n_edges < dropped.n_edges < 0.8 * graph.n_edges
    again = dropped.dropped(0.5, torch.Generator().manual_seed(2))
    assert edges(again) == reversed_edges(again) < edges(dropped)
    assert torch.equal(graph.dropped(0.0, torch.Generator()).items_of_user.indices, graph.items_of_user.indices)


def test_a_hop_over_what_is_left_is_unbiased() -> None:
    graph, tables = make_graph(9, 11, 0.6), make_tables(9, 11, 4)
    generator, draws = torch.Generator().manual_seed(3), 4000
    hops = [propagate(graph.dropped(0.4, generator), *tables) for _ in range(draws)]
    for side, expected in enumerate(propagate(graph, *tables)):
        found: Tensor = torch.stack([hop[side] for hop in hops])
        error = found.std(0) / draws**0.5
        assert bool(((found.mean(0) - expected).abs() <= 4.5 * error + 1e-6).all())


def test_moving_to_where_it_is_changes_nothing() -> None:
    graph = make_graph(9, 11, 0.6)
    assert graph.to(torch.device("cpu")) is graph
    assert graph.to(torch.device("meta")).users_of_item.indices.device.type == "meta"
