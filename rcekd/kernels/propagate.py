"""Propagation over a graph of users and items, D^{-1/2} A D^{-1/2} without stored values: LightGCN's convolution."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.checks import check_shape, check_tables, is_native
from rcekd.kernels.library import address, raise_for_memory, register
from rcekd.work import report


class Tables(NamedTuple):
    """user_UD [U, D] and item_ID [I, D]."""

    user_UD: Tensor
    item_ID: Tensor


def propagate(graph: BipartiteGraph, user_UD: Tensor, item_ID: Tensor) -> Tables:
    """One hop: every user gets Σ_i item_i / √(deg_u deg_i) over its items, every item the like of its users.

    A node without edges gets zeros. Differentiable any number of times, keeping nothing. In float32 the same
    bytes for any number of threads. Raises TypeError or ValueError for wrong dtypes or shapes.
    """
    _check(graph, user_UD, item_ID)
    if not is_native(user_UD, item_ID):
        return Tables(*reference.propagate(graph, user_UD, item_ID))
    return _apply(lambda tables: _hop(graph, tables), Tables(user_UD, item_ID))


def layer_mean(graph: BipartiteGraph, user_UD: Tensor, item_ID: Tensor, layers: int) -> Tables:
    """The mean of layers 0 … `layers` (0: the tables as they are), each the `propagate` of the one before.

    A node without edges keeps its layer 0, divided by layers + 1. The rest is as in `propagate`.
    """
    _check(graph, user_UD, item_ID)
    if layers < 0:
        raise ValueError(f"layers must be 0 or more, not {layers}")
    if layers == 0:
        return Tables(user_UD, item_ID)
    if not is_native(user_UD, item_ID):
        return Tables(*reference.layer_mean(graph, user_UD, item_ID, layers))
    return _apply(lambda tables: _mean(graph, tables, layers), Tables(user_UD, item_ID))


def _check(graph: BipartiteGraph, user_UD: Tensor, item_ID: Tensor) -> None:
    check_tables(user_UD, item_ID)
    check_shape("user_factor_UD", user_UD, (graph.n_users, user_UD.shape[1]))
    check_shape("item_factor_ID", item_ID, (graph.n_items, item_ID.shape[1]))


def _mean(graph: BipartiteGraph, tables: Tables, layers: int) -> Tables:
    """(x + P(x + P(x + …))) / (layers + 1): Horner's scheme, so that no sweep is spent on adding layers up."""
    found = tables
    for left in range(layers, 0, -1):
        found = _hop(graph, found, base=tables, factor=1.0 if left > 1 else 1.0 / (layers + 1))
    return found


def _hop(graph: BipartiteGraph, tables: Tables, *, base: Tables | None = None, factor: float = 1.0) -> Tables:
    """factor · (base + P tables)."""
    user_scale_U, item_scale_I = graph.user_scale_U, graph.item_scale_I
    base_user, base_item = base if base is not None else (None, None)
    return Tables(
        _operation(*graph.items_of_user, user_scale_U, item_scale_I, tables.item_ID, base_user, factor),
        _operation(*graph.users_of_item, item_scale_I, user_scale_U, tables.user_UD, base_item, factor),
    )


def _apply(operator: Callable[[Tables], Tables], tables: Tables) -> Tables:
    return Tables(*_SelfAdjoint.apply(operator, *tables))  # type: ignore[no-untyped-call]


class _SelfAdjoint(Function):
    """A symmetric linear operator on both tables together: its gradient is the operator itself."""

    @staticmethod
    def forward(ctx: Any, operator: Callable[[Tables], Tables], user_UD: Tensor, item_ID: Tensor) -> Tables:
        ctx.operator = operator
        return operator(Tables(user_UD.contiguous(), item_ID.contiguous()))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        user_UD, item_ID = _apply(ctx.operator, Tables(*grads))
        return None, user_UD, item_ID


def _hop_cpu(
    indptr: Tensor,
    indices: Tensor,
    row_scale_R: Tensor,
    column_scale_C: Tensor,
    x_CD: Tensor,
    base_RD: Tensor | None,
    factor: float,
) -> Tensor:
    rows, (columns, width) = indptr.numel() - 1, x_CD.shape
    y_RD = x_CD.new_empty(rows, width)
    report(lambda: _work(rows, indices.numel(), x_CD, base_RD))
    status = _native.propagate(
        indptr.data_ptr(),
        indices.data_ptr(),
        row_scale_R.data_ptr(),
        column_scale_C.data_ptr(),
        x_CD.data_ptr(),
        address(base_RD),
        rows,
        columns,
        width,
        factor,
        y_RD.data_ptr(),
        torch.get_num_threads(),
    )
    raise_for_memory(status)
    return y_RD


def _work(rows: int, edges: int, x_CD: Tensor, base_RD: Tensor | None) -> tuple[float, float]:
    columns, width = x_CD.shape
    return 2 * edges * width, 4 * (width * (columns + rows * (1 + (base_RD is not None))) + edges)


def _hop_cuda(
    indptr: Tensor,
    indices: Tensor,
    row_scale_R: Tensor,
    column_scale_C: Tensor,
    x_CD: Tensor,
    base_RD: Tensor | None,
    factor: float,
) -> Tensor:
    rows, (columns, width) = indptr.numel() - 1, x_CD.shape
    y_RD = x_CD.new_empty(rows, width)
    report(lambda: _work(rows, indices.numel(), x_CD, base_RD))
    cuda_library.run(
        "propagate",
        x_CD,
        indptr=indptr,
        indices=indices,
        row_scale=row_scale_R,
        column_scale=column_scale_C,
        x=x_CD,
        base=base_RD,
        rows=rows,
        columns=columns,
        width=width,
        factor=factor,
        y=y_RD,
    )
    return y_RD


_operation = register(
    "propagate(Tensor indptr, Tensor indices, Tensor row_scale_R, Tensor column_scale_C, Tensor x_CD,"
    " Tensor? base_RD, float factor) -> Tensor",
    _hop_cpu,
    _hop_cuda,
)
