"""An approximate index of the items (usearch, HNSW: Malkov & Yashunin, TPAMI 2020), and what it misses.

HNSW walks a graph of near neighbours, and by inner product a long vector is near to everything. So every item gets one
more coordinate, √(M² − |v|²) with M the longest item's length, and every user a 0: all items are then equally long and
the order by inner product is the order by distance (Bachrach et al., RecSys 2014). Scores are inner products as before.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rcekd.extras import require
from rcekd.kernels.csr import CSR
from rcekd.serving.ids import UNKNOWN
from rcekd.serving.top import Lists

CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 32, 200, 200
_GROUP = 64  # users who are searched for together


def build(item_ID: Tensor, threads: int) -> Any:
    """The index, in memory."""
    index = _empty(item_ID.shape[1] + 1)
    longest = item_ID.norm(dim=1).max()
    extra_I1 = (longest**2 - item_ID.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
    index.add(np.arange(item_ID.shape[0]), torch.cat([item_ID, extra_I1], 1).numpy(), threads=threads)
    return index


def load(path: Path, dim: int) -> Any:
    """An index from its file, mapped into memory. dim: width of the factors."""
    index = _empty(dim + 1)
    index.view(str(path))
    return index


def search(index: Any, user_BD: Tensor, k: int, leave_out: CSR, threads: int) -> Lists:
    """The k best items the index finds outside each user's row of `leave_out`.

    It is asked for as many more items as a user has left out, so users are grouped by that number: one who has met a
    thousand items does not make the search a thousand items longer for all others.
    """
    item_BK = torch.full((user_BD.shape[0], k), UNKNOWN, dtype=torch.int32)
    score_BK = torch.full((user_BD.shape[0], k), -torch.inf)
    lengths = leave_out.lengths()
    for group in torch.split(lengths.argsort(), _GROUP) if lengths.numel() else ():
        wanted = min(k + int(lengths[group].max()), len(index))
        found = _search(index, user_BD[group], wanted, threads)
        found.score_BK.masked_fill_(leave_out.take(group).holds(found.item_BK), -torch.inf)
        best, place = found.score_BK.topk(min(k, found.score_BK.shape[1]), dim=1)
        item_BK[group, : best.shape[1]] = found.item_BK.gather(1, place).masked_fill(best == -torch.inf, UNKNOWN)
        score_BK[group, : best.shape[1]] = best
    return Lists(item_BK, score_BK)


def _search(index: Any, user_BD: Tensor, count: int, threads: int) -> Lists:
    """What the index finds, best first; UNKNOWN, scored −∞, where it finds fewer than asked for."""
    vector_BD = torch.cat([user_BD, user_BD.new_zeros(user_BD.shape[0], 1)], 1).numpy()
    found = index.search(vector_BD, count, threads=threads)
    item_BK = torch.from_numpy(np.atleast_2d(found.keys).astype(np.int32))
    score_BK = 1.0 - torch.from_numpy(np.atleast_2d(found.distances).astype(np.float32))
    # Beyond a row's count stands what is no match; one query alone comes back cut to its count.
    count_B = torch.tensor(found.counts.astype(np.int64) if hasattr(found, "counts") else [item_BK.shape[1]])
    beyond_BK = torch.arange(item_BK.shape[1]) >= count_B.unsqueeze(1)
    return Lists(item_BK.masked_fill(beyond_BK, UNKNOWN), score_BK.masked_fill(beyond_BK, -torch.inf))


def recall(found: Lists, exact: Lists) -> float:
    """Share of the exact lists' items that were found."""
    there = exact.item_BK != UNKNOWN
    wanted = int(there.sum())
    item_BK = found.item_BK + 1  # from 0, UNKNOWN's place
    listed = CSR(torch.arange(len(item_BK) + 1) * item_BK.shape[1], item_BK.flatten())
    return int((listed.holds(exact.item_BK + 1) & there).sum()) / wanted if wanted else 1.0


def _empty(width: int) -> Any:
    usearch = require("usearch.index", "serving", otherwise="give --no-index")
    settings = {"connectivity": CONNECTIVITY, "expansion_add": EXPANSION_ADD, "expansion_search": EXPANSION_SEARCH}
    return usearch.Index(ndim=width, metric="ip", dtype="f32", **settings)
