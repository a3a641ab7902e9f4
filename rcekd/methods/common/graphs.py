"""Graphs of users and items for filters on factor tables: symmetric, normalised, over U + I nodes, users first."""

import warnings
from typing import Any

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR

BLOCK_ENTRIES = 1 << 23  # counts held at a time


def sparse(row: Tensor, column: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
    """A CSR matrix; entries of one place add up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that CSR is in beta, and that its invariants go unchecked
        return torch.sparse_coo_tensor(torch.stack([row, column]), value, size).coalesce().to_sparse_csr()


def normalised(row: Tensor, column: Tensor, value: Tensor, nodes: int) -> Tensor:
    """D^−½ A D^−½ of a symmetric A given by its entries, CSR [nodes, nodes]; a node without edges has a zero row."""
    degree_N = torch.zeros(nodes, dtype=value.dtype).index_add(0, row, value)
    scale_N = degree_N.where(degree_N > 0, torch.ones_like(degree_N)).rsqrt()
    return sparse(row, column, value * scale_N[row] * scale_N[column], (nodes, nodes))


def interaction_graph(seen: CSR, n_items: int) -> Tensor:
    """An edge between a user and each of the user's training items."""
    user, item = seen.rows().long(), seen.indices.long() + seen.n_rows
    row, column = torch.cat([user, item]), torch.cat([item, user])
    return normalised(row, column, torch.ones(row.numel()), seen.n_rows + n_items)


def neighbour_graph(seen: CSR, n_items: int, k: int) -> Tensor:
    """Edges between users who share training items, and between items that share users: each node's k nearest.

    The nearest have the most in common, equal ones the lowest id; (A + Aᵀ)/2 makes the choice mutual.
    """
    user, item = seen.rows().long(), seen.indices.long()
    one = torch.ones(user.numel())
    by_user_UI = sparse(user, item, one, (seen.n_rows, n_items))
    by_item_IU = sparse(item, user, one, (n_items, seen.n_rows))
    users, items = most_common(by_user_UI, k), most_common(by_item_IU, k)
    row, column = torch.cat([users[0], items[0] + seen.n_rows]), torch.cat([users[1], items[1] + seen.n_rows])
    half = torch.full((2 * row.numel(),), 0.5)
    return normalised(torch.cat([row, column]), torch.cat([column, row]), half, seen.n_rows + n_items)


def most_common(incidence_NM: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(row, column) of each row's k others with the most columns in common, none with nothing in common."""
    nodes, wide = incidence_NM.shape
    offset, column, value = incidence_NM.crow_indices(), incidence_NM.col_indices(), incidence_NM.values()
    lowest_first_N = torch.arange(nodes - 1, -1, -1, dtype=torch.float64)
    found = []
    step = max(1, BLOCK_ENTRIES // max(nodes, wide))
    for begin in range(0, nodes, step):
        end = min(begin + step, nodes)
        part = slice(int(offset[begin]), int(offset[end]))
        row = torch.arange(end - begin).repeat_interleave(offset[begin : end + 1].diff())
        block_MB = torch.zeros(wide, end - begin).index_put_((column[part], row), value[part])
        common_BN = (incidence_NM @ block_MB).T
        common_BN[torch.arange(end - begin), torch.arange(begin, end)] = 0.0
        key_BK, near_BK = (common_BN.double() * nodes + lowest_first_N).topk(min(k, nodes), dim=1)
        row, place = (key_BK >= nodes).nonzero(as_tuple=True)
        found.append((row + begin, near_BK[row, place]))
    rows, columns = zip(*found, strict=True)
    return torch.cat(rows), torch.cat(columns)


def low_pass(value_ND: Tensor, graph_NN: Tensor, alpha: float) -> Tensor:
    """((1 − α) I + α Ã) x for a symmetric Ã, differentiable in x."""
    filtered_ND: Tensor = _LowPass.apply(value_ND, graph_NN, alpha)  # type: ignore[no-untyped-call]
    return filtered_ND


class _LowPass(torch.autograd.Function):
    """A symmetric filter is its own gradient."""

    @staticmethod
    def forward(ctx: Any, value_ND: Tensor, graph_NN: Tensor, alpha: float) -> Tensor:
        ctx.graph_NN, ctx.alpha = graph_NN, alpha
        return torch.lerp(value_ND, graph_NN @ value_ND, alpha)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        grad_ND = grad_outputs[0].contiguous()
        return torch.lerp(grad_ND, ctx.graph_NN @ grad_ND, ctx.alpha), None, None
