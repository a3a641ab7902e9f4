"""Doors whose answers are sums, with their gradients: losses, scores, softmax, propagation, Adam."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.adam import adam_step_
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
from tests.kernels.fuzz.judging import Answer, Call, at_length, fuzz
from tests.kernels.fuzz.making import FACTORS, IDS, INT64, MODERATE, Making, other_dtype, other_shape, sparse

WIDTHS = (0, 1, 2, 3, 15, 16, 17, 20, 64, 65, 130)
TAUS = (0.1, 1.0, 10.0), (0.0, -1.0, 1e-320, float("nan"), float("inf"))


def tables(m: Making, users: int, items: int) -> tuple[Tensor, Tensor]:
    width = m.among(*WIDTHS)
    user, item = (m.special(m.normal(rows, width), MODERATE) for rows in (users, items))
    return m.passed("user", user, *FACTORS), m.passed("item", item, *FACTORS)


def with_gradients(sums: Callable[..., Answer], *leaves: Tensor) -> Answer:
    """What `sums` makes of the leaves, and the gradients of a weighting of all its numbers."""
    leaves = tuple(leaf.detach().requires_grad_(leaf.is_floating_point()) for leaf in leaves)
    found = sums(*leaves)
    for one in found:
        if one.requires_grad:
            weight = torch.linspace(-1.0, 2.0, one.numel(), dtype=one.dtype).view(one.shape)
            (weight * one).sum().backward(retain_graph=True)  # type: ignore[no-untyped-call]
    return [one.detach() for one in found] + [leaf.grad.to_dense() for leaf in leaves if leaf.grad is not None]


def compared(door: Callable[..., Answer], twin: Callable[..., Answer], *leaves: Tensor) -> Call:
    """The call with its gradients, beside the twin in the leaves' own dtype and in float64."""
    return Call(
        lambda: with_gradients(door, *leaves),
        lambda: with_gradients(twin, *leaves),
        lambda: with_gradients(twin, *(leaf.double() for leaf in leaves)),
    )


def bpr_call(m: Making) -> Call:
    users, items, batch = m.size(least=1), m.size(least=1), m.size()
    ids = (
        m.passed("user_B", m.integers(users, batch), *IDS),
        m.passed("positive_B", m.integers(items, batch), *IDS),
        m.passed("negative_BN", m.integers(items, batch, m.among(1, 2, 17)), *IDS),
    )
    return compared(
        lambda user, item: [bpr_loss(user, item, *ids)],
        lambda user, item: [reference.bpr_loss(user, item, *ids)],
        *tables(m, users, items),
    )


def list_scores_call(m: Making) -> Call:
    rows, items = m.size(), m.size()
    item_RW = m.passed("item_RW", m.integers(items, rows, m.size(), lowest=-1), *IDS)
    return compared(
        lambda user, item: [list_scores(user, item, item_RW)],
        lambda user, item: [reference.list_scores(user, item, item_RW)],
        *tables(m, rows, items),
    )


def pair_scores_call(m: Making) -> Call:
    users, items, rows = m.size(least=1), m.size(least=1), m.size()
    entries = m.size() if rows else 0
    which = (
        m.passed("user_R", m.integers(users, rows), *IDS),
        m.ragged("indptr", rows, entries),
        m.passed("items", m.integers(items, entries), *IDS),
    )
    user, item = tables(m, users, items)
    return Call(
        lambda: [pair_scores(user, item, *which)],
        lambda: [reference.pair_scores(user, item, *which)],
        lambda: [reference.pair_scores(user.double(), item.double(), *which)],
    )


def set_softmax_call(m: Making) -> Call:
    rows = m.size()
    score = m.passed("score", m.special(9 * m.normal(m.size() if rows else 0), MODERATE), *FACTORS)
    indptr = m.ragged("indptr", rows, score.numel())
    options = {"tau": m.number("tau", m.among(*TAUS[0]), *TAUS[1])}
    return Call(
        lambda: [set_softmax(score, indptr, **options)],
        lambda: [reference.set_softmax(score, indptr, **options)],
        lambda: [reference.set_softmax(score.double(), indptr, **options)],
    )


def batch_rows_call(m: Making) -> Call:
    users, lists, batch = m.size(least=1), m.among(0, 1, 2, 17), m.size()
    user_B = m.passed("user_B", m.integers(users, batch), *IDS)
    scale_GU = m.passed("scale_GU", m.special(m.normal(lists, users), MODERATE), *FACTORS)
    share_U = m.passed("share_U", m.special(m.normal(users), MODERATE), *FACTORS)
    return Call(
        lambda: list(batch_rows(user_B, scale_GU, share_U)),
        lambda: list(reference.batch_rows(user_B, scale_GU, share_U)),
        lambda: list(reference.batch_rows(user_B, scale_GU.double(), share_U.double())),
    )


def set_cross_entropy_call(m: Making) -> Call:
    users, items, sets, rows = m.size(least=1), m.size(least=1), m.size(least=1), m.size()
    entries = m.size()
    indptr = m.ragged("indptr", sets, entries)
    ids = m.passed("items", m.integers(items, entries), *IDS)
    prob = m.passed("prob", torch.rand(entries, generator=m.generator), *FACTORS)
    which = (
        m.passed("user_R", m.integers(users, rows), *IDS),
        m.passed("set_R", m.integers(sets, rows), *IDS),
        m.passed("weight_R", torch.rand(rows, generator=m.generator), *FACTORS),
    )
    options = {"tau": m.number("tau", m.among(*TAUS[0]), *TAUS[1])}

    def loss(operation: Callable[..., Tensor], user: Tensor, item: Tensor) -> Answer:
        return [operation(user, item, ItemSets(indptr, ids, prob), *which, **options)]

    twin = partial(loss, reference.set_cross_entropy)
    return compared(partial(loss, set_cross_entropy), twin, *tables(m, users, items))


def propagate_call(m: Making) -> Call:
    users, items = m.size(), m.among(0, 1, 2, 15, 16, 17, 33)
    rows = m.seen(users, items)
    n_items, layers = m.number("n_items", items, -1, 2**31, 2**62), m.number("layers", m.among(0, 1, 3), -1, -(2**63))

    def mean(operation: Callable[..., Any], user: Tensor, item: Tensor) -> Answer:
        return list(operation(BipartiteGraph.of(CSR(*rows), n_items), user, item, layers))

    return compared(partial(mean, layer_mean), partial(mean, reference.layer_mean), *tables(m, users, items))


def plackett_luce_call(m: Making) -> Call:
    rows, width = m.size(), m.size(least=1)
    score = m.passed("score_RW", m.special(m.among(1.0, 9.0, 1e3) * m.normal(rows, width), MODERATE), *FACTORS)
    mask = torch.rand(rows, width, generator=m.generator) < m.among(0.0, 0.5, 0.9, 1.1)
    mask = m.passed("mask_RW", mask, *FACTORS)
    positives = m.number("positives", m.among(1, (width + 1) // 2, width), 0, -1, width + 1, INT64, -INT64)
    return compared(
        lambda score: [plackett_luce(score, mask, positives=positives)],
        lambda score: [reference.plackett_luce(score, mask, positives=positives)],
        score,
    )


def rest_log_sum_call(m: Making) -> Call:
    users, items, rows = m.size(), m.size(), m.size()
    left_out = m.seen(users, items)
    user_R = m.passed("user_R", m.integers(users, rows if users else 0), *IDS)
    return compared(
        lambda user, item: [rest_log_sum(user, item, user_R, left_out)],
        lambda user, item: [reference.rest_log_sum(user, item, user_R, left_out)],
        *tables(m, rows if users else 0, items),
    )


def row_sparse(m: Making, rows: int, width: int) -> Tensor:
    """Some rows of a gradient table, perhaps several times."""
    row = m.integers(rows, m.size() if rows else 0)[None].long()
    value = m.special(m.normal(row.shape[1], width), MODERATE)
    return torch.sparse_coo_tensor(row, value, (rows, width), check_invariants=False)


def false_rows(_m: Making, grad: Tensor) -> Tensor:
    """Rows that do not exist, or out of order, under a promise that all is well."""
    n = 3
    row = _m.among([0, 10**9, 1], [-1, 0, 1], [2, 1, 0], [0, 0, 0], [-(2**63), 0, 2**62])
    value = torch.ones(n, *grad.shape[1:])
    return torch.sparse_coo_tensor(
        torch.tensor([row]), value, grad.shape, is_coalesced=_m.among(True, False), check_invariants=False
    )


def adam_call(m: Making) -> Call:
    rows, width = m.size(), m.among(*WIDTHS)
    dense = m.passed("grad", m.normal(rows, width), other_dtype, other_shape)
    grad = dense if m.spoiled == "grad" or m.among(True, False) else row_sparse(m, rows, width)
    if m.spoiled == "row":
        grad = false_rows(m, torch.zeros(rows, width))
    state = [
        m.passed(name, m.normal(rows, width).abs(), other_dtype, other_shape, sparse)
        for name in ("param", "exp_avg", "exp_avg_sq")
    ]
    # Below beta1 = 0.5 torch rounds the first moment in another way, which shows where it replaces a far larger one.
    options = {
        "step": m.number("step", m.among(1, 2, 10**6), 0, -1, -(2**63)),
        "lr": m.among(1e-3, 1.0),
        "beta1": m.number("beta1", m.among(0.5, 0.9), 1.0, 2.0, -1.0, float("nan")),
        "beta2": m.number("beta2", m.among(0.0, 0.999), 1.0, 2.0, -1.0, float("nan")),
        "eps": m.among(1e-8, 1e-3),
        "weight_decay": m.among(0.0, 1e-2),
        "lazy": m.among(False, True),
    }
    return stepped(state, grad, options)


def copied(value: Tensor) -> Tensor:
    """A copy in the same layout of memory."""
    if value.layout != torch.strided:
        return value.clone()
    copy = torch.empty(0, dtype=value.dtype).set_(value.untyped_storage().clone())
    return copy.as_strided(value.shape, value.stride(), value.storage_offset())


def stepped(state: Sequence[Tensor], grad: Tensor, options: dict[str, Any]) -> Call:
    def after(operation: Callable[..., None], convert: Callable[[Tensor], Tensor]) -> Answer:
        moved = [convert(copied(one)) for one in state]
        operation(*moved, convert(grad), **options)
        return moved

    twin = reference.adam_step_
    return Call(
        lambda: after(adam_step_, lambda one: one),
        lambda: after(twin, lambda one: one),
        lambda: after(twin, lambda one: one.double()),
    )


PAIR = ("user", "item")


@at_length
def test_bpr_loss(examples: int) -> None:
    fuzz(bpr_call, [*PAIR, "user_B", "positive_B", "negative_BN"], examples)


@at_length
def test_list_scores(examples: int) -> None:
    fuzz(list_scores_call, [*PAIR, "item_RW"], examples)


@at_length
def test_pair_scores(examples: int) -> None:
    fuzz(pair_scores_call, [*PAIR, "user_R", "indptr", "items"], examples)


@at_length
def test_set_softmax(examples: int) -> None:
    fuzz(set_softmax_call, ["score", "indptr", "tau"], examples)


@at_length
def test_batch_rows(examples: int) -> None:
    fuzz(batch_rows_call, ["user_B", "scale_GU", "share_U"], examples)


@at_length
def test_set_cross_entropy(examples: int) -> None:
    names = ["indptr", "items", "prob", "user_R", "set_R", "weight_R", "tau"]
    fuzz(set_cross_entropy_call, [*PAIR, *names], examples)


@at_length
def test_layer_mean(examples: int) -> None:
    fuzz(propagate_call, [*PAIR, "seen.indptr", "seen.indices", "n_items", "layers"], examples)


@at_length
def test_plackett_luce(examples: int) -> None:
    fuzz(plackett_luce_call, ["score_RW", "mask_RW", "positives"], examples)


@at_length
def test_rest_log_sum(examples: int) -> None:
    fuzz(rest_log_sum_call, [*PAIR, "user_R", "seen.indptr", "seen.indices"], examples)


@at_length
def test_adam_step(examples: int) -> None:
    fuzz(adam_call, ["param", "exp_avg", "exp_avg_sq", "grad", "row", "step", "beta1", "beta2"], examples)
