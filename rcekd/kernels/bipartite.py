"""A graph of users and items, each pair once, as propagation wants it: both directions, and a scale per node."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rcekd.kernels.checks import as_ids, check_ascending_rows, check_count, check_indptr
from rcekd.kernels.csr import CSR


@dataclass(frozen=True, eq=False)
class BipartiteGraph:
    """Users' items and items' users, and what D^{-1/2} multiplies by: edges carry no values of their own. Made by `of`.

    items_of_user: CSR of U rows; users_of_item: CSR of I rows, the same edges; rows ascending.
    user_scale_U, item_scale_I: float32, 1/√degree; 0 for a node without edges.
    user_major_E: int64 [edges]: where edge e of users_of_item stands in items_of_user.
    """

    items_of_user: CSR
    users_of_item: CSR
    user_scale_U: Tensor
    item_scale_I: Tensor
    user_major_E: Tensor

    @property
    def n_users(self) -> int:
        return self.items_of_user.n_rows

    @property
    def n_items(self) -> int:
        return self.users_of_item.n_rows

    @property
    def n_edges(self) -> int:
        return self.items_of_user.indices.numel()

    @staticmethod
    def of(items_of_user: CSR, n_items: int) -> "BipartiteGraph":
        """The graph of rows that are sets (`CSR.sorted_unique`) of items below n_items.

        Raises TypeError or ValueError where they are not: what is done with a graph trusts it.
        """
        check_count("n_items", n_items)
        indices = as_ids("items_of_user.indices", items_of_user.indices, n_items, dims=1)
        check_indptr("items_of_user.indptr", items_of_user.indptr, indices.numel())
        items_of_user = CSR(items_of_user.indptr.contiguous(), indices)
        check_ascending_rows("items_of_user", *items_of_user)
        user_E, item_E = items_of_user.rows(), items_of_user.indices
        order_E = torch.argsort(item_E, stable=True)
        degree_U, degree_I = items_of_user.lengths(), torch.bincount(item_E, minlength=n_items)
        indptr_I = torch.cat([degree_I.new_zeros(1), degree_I.cumsum(0)])
        users_of_item = CSR(indptr_I, user_E[order_E])
        return BipartiteGraph(items_of_user, users_of_item, _scale(degree_U), _scale(degree_I), order_E)

    def dropped(self, rate: float, generator: torch.Generator) -> "BipartiteGraph":
        """Each edge left out with probability `rate`, the others' weights multiplied by 1 / (1 − rate).

        Scales keep this graph's degrees, so that one hop's expectation is this graph's own hop.
        """
        keep_E = (torch.rand(self.n_edges, generator=generator) >= rate).to(self.item_scale_I.device)
        grow = (1.0 - rate) ** -0.5  # an edge's weight is the product of its ends' scales
        return BipartiteGraph(
            _kept(self.items_of_user, keep_E),
            _kept(self.users_of_item, keep_E[self.user_major_E]),
            self.user_scale_U * grow,
            self.item_scale_I * grow,
            _places(keep_E, self.user_major_E),
        )

    def to(self, device: torch.device) -> "BipartiteGraph":
        """The same graph on a device; itself where it is there already."""
        if self.item_scale_I.device == device:
            return self
        rows, columns = self.items_of_user.to(device), self.users_of_item.to(device)
        parts = (part.to(device) for part in (self.user_scale_U, self.item_scale_I, self.user_major_E))
        return BipartiteGraph(rows, columns, *parts)


def _scale(degree: Tensor) -> Tensor:
    """degree^{-1/2}, 0 for degree 0, rounded once."""
    return torch.where(degree > 0, degree.double().rsqrt(), 0.0).float()


def _kept(csr: CSR, keep_E: Tensor) -> CSR:
    """The entries of a CSR that are kept, in their order."""
    before_E = torch.cat([keep_E.new_zeros(1, dtype=torch.int64), keep_E.cumsum(0)])
    return CSR(before_E[csr.indptr], csr.indices[keep_E])


def _places(keep_E: Tensor, user_major_E: Tensor) -> Tensor:
    """`user_major_E` of the kept edges alone."""
    return (keep_E.cumsum(0) - 1)[user_major_E[keep_E[user_major_E]]]
