"""FreqD and its graphs against loops over nodes and edges."""

from collections import Counter
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.methods.base import Method
from rcekd.methods.common.experts import GatedExperts
from rcekd.methods.common.graphs import interaction_graph, low_pass, neighbour_graph
from rcekd.methods.freqd import FreqDSettings
from tests.methods.feature_oracle import batch_entities, check, cosine, leaves, project
from tests.methods.scene import Scene


def rows_of(seen: CSR) -> list[list[int]]:
    return [part.tolist() for part in seen.indices.split(seen.lengths().tolist())]


def slow_interactions(seen: CSR, n_items: int) -> list[list[float]]:
    """Weights between all nodes, users first."""
    rows = rows_of(seen)
    degree = Counter(item for row in rows for item in row)
    total = len(rows) + n_items
    weight = [[0.0] * total for _ in range(total)]
    for u, row in enumerate(rows):
        for i in row:
            value = (len(row) * degree[i]) ** -0.5
            weight[u][len(rows) + i] = weight[len(rows) + i][u] = value
    return weight


def slow_neighbours(seen: CSR, n_items: int, k: int) -> list[list[float]]:
    rows = [set(row) for row in rows_of(seen)]
    columns = [{u for u, row in enumerate(rows) if i in row} for i in range(n_items)]
    total = len(rows) + n_items
    edge = [[0.0] * total for _ in range(total)]
    for begin, members in ((0, rows), (len(rows), columns)):
        for a, own in enumerate(members):
            others = [(-len(own & other), b) for b, other in enumerate(members) if b != a and own & other]
            for _, b in sorted(others)[:k]:
                edge[begin + a][begin + b] += 0.5
                edge[begin + b][begin + a] += 0.5
    degree = [sum(row) or 1.0 for row in edge]
    return [[w / (degree[a] * degree[b]) ** 0.5 for b, w in enumerate(row)] for a, row in enumerate(edge)]


@pytest.mark.parametrize("k", [1, 3, 50])
def test_graphs(uneven_scene: Scene, k: int) -> None:
    data = uneven_scene.data
    found = (
        interaction_graph(data.seen, data.n_items).to_dense(),
        neighbour_graph(data.seen, data.n_items, k).to_dense(),
    )
    wanted = slow_interactions(data.seen, data.n_items), slow_neighbours(data.seen, data.n_items, k)
    for graph, weight in zip(found, wanted, strict=True):
        torch.testing.assert_close(graph, torch.tensor(weight))


def test_neighbours_by_blocks(uneven_scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    data = uneven_scene.data
    whole = neighbour_graph(data.seen, data.n_items, 3).to_dense()
    monkeypatch.setattr("rcekd.methods.common.graphs.BLOCK_ENTRIES", 1)
    assert torch.equal(whole, neighbour_graph(data.seen, data.n_items, 3).to_dense())


def test_the_filter_has_the_response_it_is_named_for(scene: Scene) -> None:
    """An eigenvector of the Laplacian with eigenvalue λ comes out times 1 − αλ."""
    graph = interaction_graph(scene.data.seen, scene.data.n_items)
    value_N, vector_NN = torch.linalg.eigh(torch.eye(graph.shape[0]) - graph.to_dense())
    found_NN = low_pass(vector_NN.contiguous(), graph, 0.3)
    torch.testing.assert_close(found_NN, vector_NN * (1.0 - 0.3 * value_N), rtol=1e-4, atol=1e-5)


def slow(method: Method, scene: Scene, tables: tuple[Tensor, Tensor], options: FreqDSettings) -> Tensor:
    data = scene.data
    build = slow_interactions if options.graph == "interactions" else lambda *g: slow_neighbours(*g, options.neighbours)
    weight = torch.tensor(build(data.seen, data.n_items), dtype=torch.float64)
    h = (1 - options.alpha) * torch.eye(len(weight), dtype=torch.float64) + options.alpha * weight
    teacher = h @ torch.cat([table.double() for table in scene.tables])
    sides = [method.trained.get_submodule(name) for name in ("users", "items")]

    def through(rows: Tensor) -> Tensor:
        assert all(isinstance(side, GatedExperts) for side in sides)
        return torch.stack([project(sides[n >= data.n_users], row, [1.0]) for n, row in enumerate(rows)])  # type: ignore[arg-type]

    raw = torch.cat(tables)
    student = h @ through(raw) if options.first == "projector" else through(h @ raw)
    users, positives, negatives = batch_entities(scene)
    total = torch.zeros((), dtype=torch.float64)
    for share, node in [(1.0, u) for u in users] + [(0.5, data.n_users + i) for i in [*positives, *negatives]]:
        if options.distance == "squared":
            total = total + share * (student[node] - teacher[node]).square().sum()
        else:
            total = total + share * (1.0 - cosine(student[node], teacher[node]))
    return total


CASES: list[dict[str, Any]] = [
    {},
    {"alpha": 0.9, "distance": "squared"},
    {"variant": "neighbours", "K": 2},
    {"graph": "neighbours", "K": 3},
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_gradient(uneven_scene: Scene, case: dict[str, Any]) -> None:
    method, tables = uneven_scene.method("freqd", **case), leaves(uneven_scene)
    method.start_epoch(uneven_scene.student, 0)
    check(method, uneven_scene, slow(method, uneven_scene, tables, FreqDSettings.model_validate(case)), tables)


def test_the_projectors_are_the_seeds(scene: Scene) -> None:
    states = [scene.method("freqd", seed=seed).trained.state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not any(torch.equal(states[0][key], states[2][key]) for key in states[0])


def test_variants_are_defaults() -> None:
    assert FreqDSettings.model_validate({}).alpha == 0.2
    chosen = FreqDSettings.model_validate({"variant": "neighbours", "first": "filter"})
    assert (chosen.alpha, chosen.graph, chosen.first) == (0.5, "neighbours", "filter")


@pytest.mark.parametrize("wrong", [{"alpha": 1.1}, {"K": 0}, {"variant": "paper"}, {"graph": "knn"}])
def test_settings_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FreqDSettings.model_validate(wrong)
