"""Plain-torch propagation over a graph of users and items."""

from torch import Tensor

from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.csr import CSR


def hop(neighbours: CSR, row_scale_R: Tensor, column_scale_C: Tensor, x_CD: Tensor) -> Tensor:
    """row_scale_r · Σ_c column_scale_c x_c over the row's neighbours, [R, D]; differentiable, any floating dtype."""
    weight_E = column_scale_C.to(x_CD.dtype)[neighbours.indices.long()]
    sum_RD = x_CD.new_zeros(neighbours.n_rows, x_CD.shape[1])
    sum_RD = sum_RD.index_add(0, neighbours.rows().long(), weight_E[:, None] * x_CD[neighbours.indices.long()])
    return row_scale_R.to(x_CD.dtype)[:, None] * sum_RD


def propagate(graph: BipartiteGraph, user_UD: Tensor, item_ID: Tensor) -> tuple[Tensor, Tensor]:
    """(D_U^{-1/2} A D_I^{-1/2} item, D_I^{-1/2} Aᵀ D_U^{-1/2} user)."""
    return (
        hop(graph.items_of_user, graph.user_scale_U, graph.item_scale_I, item_ID),
        hop(graph.users_of_item, graph.item_scale_I, graph.user_scale_U, user_UD),
    )


def layer_mean(graph: BipartiteGraph, user_UD: Tensor, item_ID: Tensor, layers: int) -> tuple[Tensor, Tensor]:
    """The mean of layers 0 … `layers`, each the `propagate` of the one before."""
    user_sum_UD, item_sum_ID = user_UD, item_ID
    for _ in range(layers):
        user_UD, item_ID = propagate(graph, user_UD, item_ID)
        user_sum_UD, item_sum_ID = user_sum_UD + user_UD, item_sum_ID + item_ID
    return user_sum_UD / (layers + 1), item_sum_ID / (layers + 1)
