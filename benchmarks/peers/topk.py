"""The best K items of every user by exact score: faiss' flat index, implicit's recommend, plain torch, and ours.

Everyone ranks all items for all users in float32. faiss cannot leave out what a user has seen, so that the sides are
compared twice: with nothing left out, and with the training items left out. There faiss fetches as many more items as a
user has seen (users with histories of like length together); dropping the seen ones afterwards is not even counted.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import interleaved, table
from benchmarks.peers.setting import Setting, limited, matrix, peer
from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk

BLOCK = 1024
TIE = 1e-5
"""Share of the largest score by which two float32 sums of the same products may differ."""


class Lists(NamedTuple):
    """Ranked items and their scores, [U, K], best first."""

    item_UK: Tensor
    score_UK: Tensor


def ours(setting: Setting, k: int, seen: CSR | None) -> Lists:
    return Lists(*topk(setting.tables.user_UD, setting.tables.item_ID, k, seen=seen))


def of_torch(setting: Setting, k: int, seen: CSR | None) -> Lists:
    """A block of users at a time: matmul, the seen to −∞, topk."""
    user_UD, item_ID = setting.tables
    found = []
    for begin in range(0, user_UD.shape[0], BLOCK):
        score_BI = user_UD[begin : begin + BLOCK] @ item_ID.T
        if seen is not None:
            ends = seen.indptr[begin : begin + BLOCK + 1]
            row = torch.arange(score_BI.shape[0]).repeat_interleave(ends.diff())
            score_BI[row, seen.indices[ends[0] : ends[-1]].long()] = -torch.inf
        found.append(torch.topk(score_BI, k))
    return Lists(torch.cat([one.indices for one in found]), torch.cat([one.values for one in found]))


def of_implicit(setting: Setting, k: int, seen: CSR | None) -> Callable[[], Lists]:
    model = peer("implicit.cpu.als").AlternatingLeastSquares(num_threads=setting.threads)
    model.user_factors, model.item_factors = (factor.numpy() for factor in setting.tables)
    users, history = np.arange(setting.data.n_users), matrix(setting.data.seen, setting.data.n_items)

    def call() -> Lists:
        found = model.recommend(users, history, N=k, filter_already_liked_items=seen is not None)
        return Lists(*map(torch.from_numpy, found))

    return call


def of_faiss(setting: Setting, k: int) -> Callable[[], Lists]:
    index = flat_index(setting)
    user_UD = setting.tables.user_UD.numpy()

    def call() -> Lists:
        score_UK, item_UK = index.search(user_UD, k)
        return Lists(torch.from_numpy(item_UK), torch.from_numpy(score_UK))

    return call


class Fetched(NamedTuple):
    """Lists longer than wanted, of some of the users."""

    user_B: Tensor
    lists: Lists


def of_faiss_fetching_more(setting: Setting, k: int, seen: CSR) -> Callable[[], list[Fetched]]:
    """Histories of up to 2, 4, 8, … items are searched together."""
    index = flat_index(setting)
    level_U = torch.log2(seen.lengths().clamp(min=1).double()).ceil().long()
    groups = [(2**level, (level_U == level).nonzero().squeeze(1)) for level in level_U.unique().tolist()]
    queries = [(user_B, setting.tables.user_UD[user_B].numpy(), k + more) for more, user_B in groups]

    def call() -> list[Fetched]:
        found = [(user_B, *index.search(user_BD, listed)) for user_B, user_BD, listed in queries]
        return [Fetched(user, Lists(torch.from_numpy(item), torch.from_numpy(score))) for user, score, item in found]

    return call


def flat_index(setting: Setting) -> Any:
    """faiss' exact index over the items; making it is not timed."""
    item_ID = setting.tables.item_ID.numpy()
    index = peer("faiss").IndexFlatIP(item_ID.shape[1])
    index.add(item_ID)
    return index


def without_seen(fetched: list[Fetched], k: int, seen: CSR) -> Lists:
    """The first k items of every user that are not in the user's row of `seen`."""
    parts = []
    for user_B, (item_BM, score_BM) in fetched:
        entry = torch.cat([torch.arange(*seen.indptr[user : user + 2].tolist()) for user in user_B.tolist()])
        indptr = torch.cat([torch.zeros(1, dtype=torch.int64), seen.lengths()[user_B].cumsum(0)])
        dropped_BM = CSR(indptr, seen.indices[entry]).holds(item_BM)
        place_BK = dropped_BM.byte().sort(dim=1, stable=True).indices[:, :k]
        parts.append(Lists(item_BM.gather(1, place_BK), score_BM.gather(1, place_BK)))
    order = torch.cat([user_B for user_B, _ in fetched]).argsort()
    return Lists(torch.cat([one.item_UK for one in parts])[order], torch.cat([one.score_UK for one in parts])[order])


def same_share(found: Lists, expected: Lists, setting: Setting, seen: CSR | None) -> float:
    """Share of places with the same item in both; AssertionError unless all others are ties up to rounding."""
    user_UD, item_ID = (factor.double() for factor in setting.tables)
    exact = [torch.einsum("ud,ukd->uk", user_UD, item_ID[lists.item_UK.long()]) for lists in (found, expected)]
    tolerance = TIE * float(expected.score_UK.abs().max())
    assert float((exact[0] - exact[1]).abs().max()) <= tolerance, "the lists differ by more than ties"
    assert float((exact[0] - found.score_UK).abs().max()) <= tolerance, "the scores are not those of the items"
    assert bool((found.item_UK.sort(dim=1).values.diff(dim=1) > 0).all()), "an item is listed twice"
    assert seen is None or not bool(seen.holds(found.item_UK).any()), "a training item is listed"
    return float((found.item_UK == expected.item_UK).double().mean())


def bench(setting: Setting, k: int, rounds: int) -> str:
    """Both tables; the peers' lists are held against ours first."""
    title = f"Top {k} of {setting.data.n_items} items for {setting.data.n_users} users"
    with limited(setting.threads):
        return "\n".join(
            [
                plainly(f"{title}, nothing left out: {setting}", setting, k, rounds),
                masked(f"{title}, training items left out: {setting}", setting, k, rounds),
            ]
        )


def plainly(title: str, setting: Setting, k: int, rounds: int) -> str:
    calls = {
        "faiss IndexFlatIP": of_faiss(setting, k),
        "implicit recommend": of_implicit(setting, k, None),
        "torch matmul + topk": lambda: of_torch(setting, k, None),
        "rcekd": lambda: ours(setting, k, None),
    }
    same = agreement({name: call() for name, call in calls.items()}, setting, None)
    return f"{table(title, interleaved(calls, rounds=rounds))}\n{same}"


def masked(title: str, setting: Setting, k: int, rounds: int) -> str:
    seen = setting.data.seen
    fetch, faiss = of_faiss_fetching_more(setting, k, seen), "faiss IndexFlatIP, fetching more"
    calls: dict[str, Callable[[], Lists]] = {
        "implicit recommend": of_implicit(setting, k, seen),
        "torch matmul + mask + topk": lambda: of_torch(setting, k, seen),
        "rcekd": lambda: ours(setting, k, seen),
    }
    lists = {faiss: without_seen(fetch(), k, seen)} | {name: call() for name, call in calls.items()}
    same = agreement(lists, setting, seen)
    return f"{table(title, interleaved({faiss: fetch, **calls}, rounds=rounds))}\n{same}"


def agreement(lists: dict[str, Lists], setting: Setting, seen: CSR | None) -> str:
    """How far the lists are ours, the last; AssertionError where they differ by more than ties."""
    *peers, (_, own) = lists.items()
    parts = [f"{name} {100 * same_share(found, own, setting, seen):.3f} %" for name, found in peers]
    return f"Same item in the same place as rcekd, the others being ties up to rounding: {', '.join(parts)}.\n"
