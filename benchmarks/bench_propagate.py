"""One hop of propagation, both directions: torch's sparse products (COO, and CSR, which is MKL's) against native.

Both sides keep freed memory for their next tables, as training does (`rcekd.memory`).
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, GOWALLA, STUDENT_DIM, TEACHER_DIM, Catalogue, factors
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.csr import CSR
from rcekd.kernels.propagate import layer_mean, propagate
from rcekd.memory import reuse_freed_memory

GRAPHS = {"CiteULike": (CITEULIKE, 104_000), "Gowalla": (GOWALLA, 810_000)}


def graph_of(catalogue: Catalogue, edges: int) -> BipartiteGraph:
    """About so many random edges; items' degrees fall like a power of their rank, as in the data."""
    generator = torch.Generator().manual_seed(0)
    popularity = (torch.arange(catalogue.items) + 20.0) ** -0.8
    popularity = popularity[torch.randperm(catalogue.items, generator=generator)]
    user = (torch.rand(edges, generator=generator) ** 1.5 * catalogue.users).long()
    item = torch.multinomial(popularity, edges, replacement=True, generator=generator)
    return BipartiteGraph.of(CSR.from_pairs(user, item, catalogue.users).sorted_unique(), catalogue.items)


def sparse_pair(graph: BipartiteGraph) -> tuple[Tensor, Tensor]:
    """Both directions as torch CSR matrices with their values, int32 indices: what MKL takes."""
    pair = []
    scales = (graph.user_scale_U, graph.item_scale_I)
    for csr, (row, column) in zip((graph.items_of_user, graph.users_of_item), (scales, scales[::-1]), strict=True):
        value = row[csr.rows().long()] * column[csr.indices.long()]
        size = (csr.n_rows, column.numel())
        with warnings.catch_warnings(action="ignore"):  # that CSR is in beta
            pair.append(torch.sparse_csr_tensor(csr.indptr.int(), csr.indices, value, size))
    return pair[0], pair[1]


def bench(name: str, width: int, layers: int = 3) -> str:
    catalogue, edges = GRAPHS[name]
    graph, (user_UD, item_ID) = graph_of(catalogue, edges), factors(catalogue, width)
    forth, back = sparse_pair(graph)
    forth_coo, back_coo = (
        torch.sparse_coo_tensor(torch.stack([csr.rows().long(), csr.indices.long()]), matrix.values(), matrix.shape)
        for csr, matrix in ((graph.items_of_user, forth), (graph.users_of_item, back))
    )
    forth_coo, back_coo = forth_coo.coalesce(), back_coo.coalesce()

    def layered() -> tuple[Tensor, Tensor]:
        """What the usual implementations do: layers kept, stacked, averaged."""
        users, items = [user_UD], [item_ID]
        for _ in range(layers):
            user, item = forth @ items[-1], back @ users[-1]
            users.append(user)
            items.append(item)
        return torch.stack(users).mean(0), torch.stack(items).mean(0)

    hops: dict[str, Callable[[], object]] = {
        "torch COO": lambda: (forth_coo @ item_ID, back_coo @ user_UD),
        "torch CSR (MKL)": lambda: (forth @ item_ID, back @ user_UD),
        "native": lambda: propagate(graph, user_UD, item_ID),
    }
    means: dict[str, Callable[[], object]] = {
        "torch CSR (MKL), stack and mean": layered,
        "native": lambda: layer_mean(graph, user_UD, item_ID, layers),
    }
    title = f"{name}, {graph.n_edges} edges, d = {width}"
    return table(f"One hop, {title}", interleaved(hops)) + table(
        f"Mean of {layers} layers, {title}", interleaved(means)
    )


if __name__ == "__main__":
    reuse_freed_memory()
    for size in (STUDENT_DIM, 64, TEACHER_DIM):
        for data in GRAPHS:
            print(bench(data, size))
    print(stamp())
