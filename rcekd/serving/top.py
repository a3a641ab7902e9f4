"""Top-N lists as frames: the native scan, and the original ids around it."""

from typing import NamedTuple

import numpy as np
import polars as pl
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from rcekd.serving.ids import UNKNOWN, IdMap


class Lists(NamedTuple):
    """Ranked lists: item_BK int32, best first, UNKNOWN where a list ends early, and score_BK float32."""

    item_BK: Tensor
    score_BK: Tensor


def rank(user_BD: Tensor, item_ID: Tensor, k: int, leave_out: CSR) -> Lists:
    """The k best items of each user vector outside its row of `leave_out`."""
    return Lists(*topk(user_BD, item_ID, k, seen=leave_out))


def frame(lists: Lists, user: pl.Series, items: IdMap) -> pl.DataFrame:
    """Columns user, rank (from 1), item, score: a row for every listed item, users in the order given."""
    rows, k = lists.item_BK.shape
    item = lists.item_BK.numpy().reshape(-1)
    there = item != UNKNOWN
    at = pl.Series(np.repeat(np.arange(rows), k)[there], dtype=pl.Int64)
    columns = {
        "user": user.gather(at),
        "rank": pl.Series(np.tile(np.arange(1, k + 1, dtype=np.int32), rows)[there]),
        "item": items.names(item[there]),
        "score": pl.Series(lists.score_BK.numpy().reshape(-1)[there]),
    }
    return pl.DataFrame(columns)
