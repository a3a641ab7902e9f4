"""Every native operation on a small input beside its plain-torch twin: what `rcekd doctor` asks of this machine.

The tests ask far more; this is for machines that have no tests, and takes a fraction of a second.
"""

from collections.abc import Callable, Mapping
from dataclasses import astuple
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.adam import adam_step_
from rcekd.kernels.batch_rows import batch_rows
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.bpr import bpr_loss
from rcekd.kernels.closure import closure
from rcekd.kernels.csr import CSR
from rcekd.kernels.gap import GapDraws
from rcekd.kernels.horizon import horizon_draws
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.negatives import sample_negatives
from rcekd.kernels.pair_scores import pair_scores
from rcekd.kernels.plackett_luce import plackett_luce
from rcekd.kernels.pool_gap_draws import pool_gap_lists
from rcekd.kernels.propagate import layer_mean
from rcekd.kernels.rank_gap_draws import rank_gap_lists
from rcekd.kernels.rest_log_sum import rest_log_sum
from rcekd.kernels.set_cross_entropy import set_cross_entropy
from rcekd.kernels.set_softmax import set_softmax
from rcekd.kernels.sets import ItemSets
from rcekd.kernels.topk import topk
from rcekd.kernels.unseen_draws import unseen_draws

Answer = tuple[Tensor, ...]
Run = Callable[[Any], Answer]
USERS, ITEMS, WIDTH, LISTED = 7, 60, 9, 6
TOLERANCE = 1e-4
"""Relative, for sums that the twin adds up in another order."""


def self_check() -> dict[str, str | None]:
    """For every native operation what is wrong with its answer, None where it is the twin's."""
    return {name: _compare(*check) for name, check in CHECKS.items()}


def _compare(native: Callable[[], Answer], twin: Callable[[], Answer]) -> str | None:
    try:
        pairs = list(zip(native(), twin(), strict=True))
    except Exception as error:  # whatever it is, the user shall read it
        return f"{type(error).__name__}: {error}"
    for number, (found, expected) in enumerate(pairs):
        if found.shape != expected.shape or found.dtype != expected.dtype:
            return f"answer {number} is {found.dtype} {list(found.shape)}, not {expected.dtype} {list(expected.shape)}"
        if not torch.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
            return f"answer {number} differs from the twin's"
    return None


def _factors(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    user_UD, item_ID = (torch.randn(rows, WIDTH, generator=generator, dtype=torch.float32) for rows in (USERS, ITEMS))
    return user_UD, item_ID


def _seen() -> CSR:
    """Every user has seen the items of one residue."""
    user, item = torch.arange(USERS), torch.arange(ITEMS)
    row, column = ((item[None, :] + user[:, None]) % 5 == 0).nonzero().T
    return CSR.from_pairs(row, column, USERS)


def _lists(seed: int, length: int = LISTED) -> Tensor:
    """Distinct items for every user, int32."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(ITEMS, generator=generator)[:length] for _ in range(USERS)]).int()


def _ragged(seed: int) -> tuple[Tensor, Tensor]:
    """One set of items for every user, as indptr and items."""
    return torch.arange(USERS + 1) * LISTED, _lists(seed).flatten()


def _topk(run: Any) -> Answer:
    return tuple(run(*_factors(1), LISTED, seen=_seen()))


def _closure(run: Any) -> Answer:
    return astuple(run(*_factors(1), _lists(2), draws=5, tau=2.0, seed=3, epoch=1, seen=_seen()))


def _adam(run: Any) -> Answer:
    parameter, gradient = _factors(4)
    state = (parameter, torch.zeros_like(parameter), torch.zeros_like(parameter))
    for step in (1, 2):
        run(*state, gradient[:USERS], step=step, lr=0.1, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01)
    return state


def _with_gradients(loss: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    user_UD, item_ID = (table.requires_grad_() for table in _factors(5))
    value = loss(user_UD, item_ID)
    value.backward()  # type: ignore[no-untyped-call]
    assert user_UD.grad is not None
    assert item_ID.grad is not None
    return value.detach(), user_UD.grad.to_dense(), item_ID.grad.to_dense()


def _bpr(run: Any) -> Answer:
    user_B, positive_B = torch.arange(USERS).int(), torch.arange(USERS).int()
    return _with_gradients(lambda user_UD, item_ID: run(user_UD, item_ID, user_B, positive_B, _lists(6, 2)))


def _batch_rows(run: Any) -> Answer:
    scale_GU = _factors(26)[0].T[:2].contiguous()
    rows: Answer = run(_lists(27, 3).flatten() % USERS, scale_GU, scale_GU[0])
    return rows


def _set_cross_entropy(run: Any) -> Answer:
    indptr, items = _ragged(7)
    sets = ItemSets(indptr, items, torch.full((items.numel(),), 1 / LISTED, dtype=torch.float32))
    row_R, weight_R = torch.arange(USERS), torch.ones(USERS, dtype=torch.float32)
    return _with_gradients(lambda user_UD, item_ID: run(user_UD, item_ID, sets, row_R, row_R, weight_R, tau=2.0))


def _pair_scores(run: Any) -> Answer:
    return (run(*_factors(8), torch.arange(USERS), *_ragged(9)),)


def _list_scores(run: Any) -> Answer:
    # The sum's gradient is 1 in every place; squares tell the places apart.
    return _with_gradients(lambda user_UD, item_ID: run(user_UD, item_ID, _lists(15)).square().sum())


def _rest_log_sum(run: Any) -> Answer:
    left_out = _seen().sorted_unique()
    return _with_gradients(lambda user_UD, item_ID: run(user_UD, item_ID, torch.arange(USERS), left_out).square().sum())


def _plackett_luce(run: Any) -> Answer:
    score_RW, mask_RW = _factors(24)[1].requires_grad_(), _factors(25)[1] < 1
    loss_R = run(score_RW, mask_RW, positives=LISTED)
    (gradient,) = torch.autograd.grad(loss_R.square().sum(), score_RW)
    return loss_R.detach(), gradient


def _propagate(run: Any) -> Answer:
    graph = BipartiteGraph.of(_seen().sorted_unique(), ITEMS)
    user_UD, item_ID = (table.requires_grad_() for table in _factors(20))
    user, item = run(graph, user_UD, item_ID, 3)
    gradients = torch.autograd.grad(user.square().sum() + item.square().sum(), (user_UD, item_ID))
    return user.detach(), item.detach(), *gradients


def _set_softmax(run: Any) -> Answer:
    indptr, items = _ragged(10)
    return (run(items.float() * 0.125, indptr, tau=0.5),)


def _negatives(run: Any) -> Answer:
    return (run(torch.arange(USERS).int(), _seen().sorted_unique(), ITEMS, 4, seed=11, epoch=2),)


def _unseen_draws(run: Any) -> Answer:
    return (run(_seen().sorted_unique(), ITEMS, 5, seed=16, epoch=4),)


def _rank_gap_draws(run: Any) -> Answer:
    requests = [GapDraws(5, "exp", 0.1, "under", 1), GapDraws(5, "tanh", 0.1, "over", 2, replacement=True)]
    return tuple(run(*_factors(17), *_factors(18), requests, seed=19, epoch=5, seen=_seen().sorted_unique()))


def _pool_gap_draws(run: Any) -> Answer:
    requests = [GapDraws(5, "tanh", 0.1, "under", 1), GapDraws(5, "exp", 0.1, "over", 2)]
    return tuple(run(*_factors(21), _lists(22, 20), requests, seed=23, epoch=6))


def _horizon(run: Any) -> Answer:
    return (run(_lists(12, 20), _lists(13), draws=5, tau=2.0, seed=14, epoch=3, top_k=LISTED),)


def _both(run: Run, native: Any, twin: Any) -> tuple[Callable[[], Answer], Callable[[], Answer]]:
    return lambda: run(native), lambda: run(twin)


CHECKS: Mapping[str, tuple[Callable[[], Answer], Callable[[], Answer]]] = MappingProxyType(
    {
        "topk": _both(_topk, topk, reference.topk),
        "closure": _both(_closure, closure, reference.closure),
        "adam": _both(_adam, adam_step_, reference.adam_step_),
        "bpr": _both(_bpr, bpr_loss, reference.bpr_loss),
        "batch_rows": _both(_batch_rows, batch_rows, reference.batch_rows),
        "set_cross_entropy": _both(_set_cross_entropy, set_cross_entropy, reference.set_cross_entropy),
        "pair_scores": _both(_pair_scores, pair_scores, reference.pair_scores),
        "list_scores": _both(_list_scores, list_scores, reference.list_scores),
        "rest_log_sum": _both(_rest_log_sum, rest_log_sum, reference.rest_log_sum),
        "plackett_luce": _both(_plackett_luce, plackett_luce, reference.plackett_luce),
        "propagate": _both(_propagate, layer_mean, reference.layer_mean),
        "set_softmax": _both(_set_softmax, set_softmax, reference.set_softmax),
        "negatives": _both(_negatives, sample_negatives, reference.sample_negatives),
        "unseen_draws": _both(_unseen_draws, unseen_draws, reference.unseen_draws),
        "rank_gap_draws": _both(_rank_gap_draws, rank_gap_lists, reference.rank_gap_lists),
        "pool_gap_draws": _both(_pool_gap_draws, pool_gap_lists, reference.pool_gap_lists),
        "horizon": _both(_horizon, horizon_draws, reference.horizon_draws),
    }
)
"""By the operation's name in csrc/cpu/ops.def: its native answer and its twin's."""
