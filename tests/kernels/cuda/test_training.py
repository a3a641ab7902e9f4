"""The CUDA losses, gradients, scores and Adam against the native ones: byte for byte."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor

from rcekd.kernels.adam import adam_rates, adam_step_
from rcekd.kernels.batch_rows import batch_rows
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.bpr import bpr_loss
from rcekd.kernels.csr import CSR
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.pair_scores import pair_scores
from rcekd.kernels.plackett_luce import plackett_luce
from rcekd.kernels.propagate import layer_mean
from rcekd.kernels.rest_log_sum import rest_log_sum
from rcekd.kernels.set_cross_entropy import set_cross_entropy
from rcekd.kernels.set_softmax import set_softmax
from rcekd.kernels.sets import ItemSets

Check = Callable[[Callable[[], list[Tensor]]], None]
Emulation = Callable[[int], AbstractContextManager[None]]
WIDTHS = [1, 16, 37]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def factors(users: int, items: int, width: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    random = generator(width)
    user, item = torch.randn(users, width, generator=random), torch.randn(items, width, generator=random)
    return (user * scale).requires_grad_(), (item * scale).requires_grad_()


def ids(bound: int, *shape: int, seed: int = 1, lowest: int = 0) -> Tensor:
    return torch.randint(lowest, bound, shape, generator=generator(seed), dtype=torch.int32)


def ragged(rows: int, longest: int, items: int) -> tuple[Tensor, Tensor]:
    """indptr and items of sets of every length from nothing to `longest`."""
    length = torch.randint(0, longest + 1, (rows,), generator=generator(2))
    length[: min(rows, 2)] = torch.tensor([0, longest])[:rows]
    indptr = torch.nn.functional.pad(length.cumsum(0), (1, 0))
    return indptr, ids(items, int(indptr[-1]), seed=3)


def with_gradients(tables: tuple[Tensor, Tensor], loss: Callable[[], Tensor]) -> list[Tensor]:
    for table in tables:
        table.grad = None
    value = loss()
    (value * 1.5).backward()
    return [value.detach(), *(table.grad.to_dense() for table in tables if table.grad is not None)]


@pytest.mark.parametrize("scale", [1.0, 30.0], ids=["usual", "saturated"])
@pytest.mark.parametrize("negatives", [1, 4])
@pytest.mark.parametrize("width", WIDTHS)
def test_bpr(same_as_native: Check, width: int, negatives: int, scale: float) -> None:
    tables = factors(30, 25, width, scale)
    batch = ids(28, 130), ids(25, 130, seed=2), ids(25, 130, negatives, seed=3)
    same_as_native(lambda: with_gradients(tables, lambda: bpr_loss(*tables, *batch)))


def test_bpr_with_one_frozen_table(same_as_native: Check) -> None:
    user, item = factors(10, 9, 8)
    batch = ids(10, 20), ids(9, 20, seed=2), ids(9, 20, 2, seed=3)
    same_as_native(lambda: with_gradients((user, item), lambda: bpr_loss(user.detach(), item, *batch)))
    same_as_native(lambda: with_gradients((user, item), lambda: bpr_loss(user, item.detach(), *batch)))


@pytest.mark.parametrize("tau", [0.3, 2.0])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rows", [1, 3, 50])
def test_set_cross_entropy(same_as_native: Check, rows: int, width: int, tau: float) -> None:
    tables = factors(20, 40, width)
    indptr, items = ragged(17, 45, 40)
    sets = ItemSets(indptr, items, torch.rand(items.numel(), generator=generator(4)))
    row = ids(20, rows, seed=5), ids(17, rows, seed=6), torch.rand(rows, generator=generator(7))
    same_as_native(lambda: with_gradients(tables, lambda: set_cross_entropy(*tables, sets, *row, tau=tau)))


@pytest.mark.parametrize("more", [0, 1, 60])
def test_set_cross_entropy_with_a_bound_of_its_slots(same_as_native: Check, more: int) -> None:
    tables = factors(20, 40, 7)
    indptr, items = ragged(17, 45, 40)
    sets = ItemSets(indptr, items, torch.rand(items.numel(), generator=generator(4)))
    row = ids(20, 9, seed=5), ids(17, 9, seed=6), torch.rand(9, generator=generator(7))
    slots = int(indptr.diff()[row[1].long()].sum()) + more
    same_as_native(lambda: with_gradients(tables, lambda: set_cross_entropy(*tables, sets, *row, slots=slots)))


def test_a_bound_that_is_too_low_is_refused(emulation: Emulation) -> None:
    tables, (indptr, items) = factors(20, 40, 7), ragged(17, 45, 40)
    sets = ItemSets(indptr, items, torch.rand(items.numel(), generator=generator(4)))
    row = ids(20, 9, seed=5), ids(17, 9, seed=6), torch.rand(9, generator=generator(7))
    with emulation(0):
        set_cross_entropy(*tables, sets, *row, slots=9 * 45)
        with pytest.raises(RuntimeError, match="no more items than `slots` says"):
            set_cross_entropy(*tables, sets, *row, slots=3)


def test_set_cross_entropy_without_rows_and_with_a_frozen_table(same_as_native: Check) -> None:
    user, item = factors(5, 7, 3)
    indptr, items = ragged(4, 6, 7)
    sets = ItemSets(indptr, items, torch.rand(items.numel(), generator=generator(4)))
    nothing = torch.empty(0, dtype=torch.int64)
    row = ids(5, 6, seed=5), ids(4, 6, seed=6), torch.ones(6)
    for slots in (None, 4):
        same_as_native(
            lambda slots=slots: with_gradients(
                (user, item), lambda: set_cross_entropy(user, item, sets, nothing, nothing, row[2][:0], slots=slots)
            )
        )
    same_as_native(
        lambda: with_gradients((user, item), lambda: set_cross_entropy(user.detach(), item, sets, *row, tau=1.0))
    )


def test_a_score_that_is_no_number_gives_no_loss(same_as_native: Check) -> None:
    user, item = factors(5, 7, 3)
    with torch.no_grad():
        user[2] = torch.nan
    indptr, items = ragged(4, 6, 7)
    sets = ItemSets(indptr, items, torch.rand(items.numel(), generator=generator(4)))

    def loss_is_nan() -> list[Tensor]:
        row = torch.tensor([2]), torch.tensor([1]), torch.ones(1)
        return [set_cross_entropy(user.detach(), item.detach(), sets, *row).isnan()]

    same_as_native(loss_is_nan)


@pytest.mark.parametrize("lists", [1, 2, 19])
@pytest.mark.parametrize(("batch", "users"), [(1, 1), (7, 3), (300, 40)])
def test_batch_rows(same_as_native: Check, batch: int, users: int, lists: int) -> None:
    user_B, scale_GU = ids(users, batch), torch.randn(lists, users, generator=generator())
    for share_U in (None, torch.rand(users, generator=generator(1))):
        same_as_native(lambda share_U=share_U: list(batch_rows(user_B, scale_GU, share_U)))


@pytest.mark.parametrize("rows", [1, 9, 40])
def test_set_softmax(same_as_native: Check, rows: int) -> None:
    indptr, items = ragged(rows, 50, 40)
    score = torch.randn(items.numel(), generator=generator(4)) * 20
    same_as_native(lambda: [set_softmax(score, indptr, tau=0.7)])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("listed", [1, 8, 33])
def test_list_scores(same_as_native: Check, width: int, listed: int) -> None:
    tables = factors(13, 30, width)
    item_RW = ids(30, 13, listed, lowest=-1)

    def compute() -> list[Tensor]:
        # Squares, so that every place has a gradient of its own.
        return [list_scores(*tables, item_RW).detach(), *with_gradients(tables, lambda: _squares(tables, item_RW))[1:]]

    same_as_native(compute)


def _squares(tables: tuple[Tensor, Tensor], item_RW: Tensor) -> Tensor:
    return list_scores(*tables, item_RW).square().sum()


@pytest.mark.parametrize("width", [*WIDTHS, 130])
@pytest.mark.parametrize(("rows", "items"), [(1, 1), (5, 96), (99, 215)])
def test_rest_log_sum(same_as_native: Check, rows: int, items: int, width: int) -> None:
    user, item = factors(rows, items, width, 2.0)
    hidden = torch.rand(rows, items, generator=generator(6)) < 0.2
    hidden[0] = rows > 1  # nothing is left there
    left_out = CSR.from_pairs(*hidden.nonzero().T, rows)

    def squares() -> Tensor:
        sum_R = rest_log_sum(user, item, torch.arange(rows), left_out)
        return sum_R.where(sum_R > -torch.inf, 0.0).square().sum()

    same_as_native(
        lambda: [
            rest_log_sum(user, item, torch.arange(rows), left_out).detach(),
            *with_gradients((user, item), squares)[1:],
        ]
    )


@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize(
    ("rows", "width", "positives"), [(1, 1, 1), (9, 40, 17), (37, 33, 33), (5, 150, 100), (0, 2, 1)]
)
def test_plackett_luce(same_as_native: Check, rows: int, width: int, positives: int, scale: float) -> None:
    score = (torch.randn(rows, width, generator=generator()) * scale).requires_grad_()
    mask = torch.rand(rows, width, generator=generator(1)) < 0.7
    mask[:1, :positives], mask[1:2, positives:], mask[2:3] = False, False, True

    def compute() -> list[Tensor]:
        loss_R = plackett_luce(score, mask, positives=positives)
        return [loss_R.detach(), *torch.autograd.grad(loss_R.square().sum(), score)]

    same_as_native(compute)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_plackett_luce_of_what_is_no_number(same_as_native: Check, wrong: float) -> None:
    score, mask = torch.randn(20, 20, generator=generator()), torch.rand(20, 20, generator=generator(1)) < 0.8
    score.fill_diagonal_(wrong)

    def compute() -> list[Tensor]:
        leaf = score.clone().requires_grad_()
        loss_R = plackett_luce(leaf, mask, positives=12)
        (slope_RW,) = torch.autograd.grad(loss_R.sum(), leaf)
        return [loss_R.detach().nan_to_num(7.0), slope_RW.nan_to_num(7.0)]  # a NaN has many bit patterns

    same_as_native(compute)


@pytest.mark.parametrize("width", WIDTHS)
def test_pair_scores(same_as_native: Check, width: int) -> None:
    user, item = (table.detach() for table in factors(11, 30, width))
    indptr, items = ragged(19, 40, 30)
    same_as_native(lambda: [pair_scores(user, item, ids(11, 19, seed=8), indptr, items)])


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("width", WIDTHS)
def test_propagation(same_as_native: Check, width: int, layers: int) -> None:
    tables = factors(23, 31, width)
    edge = torch.rand(23, 31, generator=generator(6)) < 0.2
    edge[4] = False
    graph = BipartiteGraph.of(CSR.from_pairs(*edge.nonzero().T, 23), 31)

    def squares() -> Tensor:
        user, item = layer_mean(graph, *tables, layers)
        return user.square().sum() + item.square().sum()

    same_as_native(lambda: [*layer_mean(graph, *tables, layers), *with_gradients(tables, squares)[1:]])


@pytest.mark.parametrize("from_memory", [False, True], ids=["rates", "rates in memory"])
@pytest.mark.parametrize("lazy", [False, True], ids=["every row", "lazy"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "row-sparse"])
@pytest.mark.parametrize("width", WIDTHS)
def test_adam(same_as_native: Check, width: int, sparse: bool, lazy: bool, from_memory: bool) -> None:
    param, grad = (table.detach() for table in factors(29, 29, width))
    rows = torch.tensor([0, 3, 4, 28])
    grad[4:9] = 0.0
    gradient = grad.new_zeros(grad.shape).index_copy(0, rows, grad[rows]).to_sparse(1) if sparse else grad

    def compute() -> list[Tensor]:
        state = [param.clone(), torch.zeros_like(param), torch.zeros_like(param)]
        rule = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
        for step in (1, 2, 3):
            rates = param.new_tensor(adam_rates(step, **rule)) if from_memory else None
            adam_step_(*state, gradient, step=step, **rule, weight_decay=0.01, lazy=lazy, rates=rates)
        return state

    same_as_native(compute)
