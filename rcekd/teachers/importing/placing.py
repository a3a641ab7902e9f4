"""Top-N lists by the dataset's own ids, padded; and a list for the users that the teacher has none for."""

from typing import NamedTuple

import polars as pl
import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.teachers.importing.matching import Match, match
from rcekd.teachers.importing.raw import RawLists


class PlacedLists(NamedTuple):
    """item_UN int32 [U, N], −1 padded, and score_UN float32 [U, N], 0 there. dropped: entries of unknown items."""

    item_UN: Tensor
    score_UN: Tensor
    users: Match
    items: Match
    entries: int
    dropped: int


def place(raw: RawLists, data: Interactions, where: str) -> PlacedLists:
    """The lists in the dataset's order. InputError where no entry is about the dataset."""
    user_ids, item_ids = (raw.table[side].unique(maintain_order=True) for side in ("user", "item"))
    users = match(data, "user", user_ids, len(user_ids), where)
    items = match(data, "item", item_ids, len(item_ids), where)
    table = raw.table
    for side, ids in (("user", data.user_ids), ("item", data.item_ids)):
        inner = pl.DataFrame({side: ids.cast(pl.String), f"{side}_row": range(len(ids))})
        table = table.with_columns(pl.col(side).cast(pl.String)).join(inner, on=side, how="left", maintain_order="left")
    of_known_users = table.filter(pl.col("user_row").is_not_null())
    known = of_known_users.filter(pl.col("item_row").is_not_null())
    if known.is_empty():
        raise InputError(f"{where}: no user or no item of the lists is in {data.name}; check the ids")
    user_E, item_E = (
        torch.from_numpy(known[name].cast(pl.Int64).to_numpy().copy()) for name in ("user_row", "item_row")
    )
    score_E = torch.from_numpy(known["score"].to_numpy().copy()).float()
    if not torch.isfinite(score_E).all():
        raise InputError(f"{where}: a score is beyond what 32 bits hold; divide all scores by one number")
    order_E = torch.argsort(user_E, stable=True)
    item_UN, score_UN = _padded(user_E[order_E], item_E[order_E], score_E[order_E], data.n_users)
    return PlacedLists(item_UN, score_UN, users, items, len(of_known_users), len(of_known_users) - len(known))


def fill_missing(item_UN: Tensor, score_UN: Tensor, floor_U: Tensor, n_items: int) -> tuple[Tensor, Tensor, Tensor]:
    """Give users without a list the mean of the others' scores, where unlisted items count as their user's floor.

    The likeness of the mean vector that a factor teacher's unknown users get. Their floor is 0 and their scores are
    the mean rises above the floor, so only how the items differ is kept.
    """
    listed_UN = item_UN >= 0
    missing_U = ~listed_UN.any(1)
    if not missing_U.any():
        return item_UN, score_UN, floor_U
    rise_E = (score_UN - floor_U[:, None])[listed_UN]
    mean_I = torch.zeros(n_items).index_add_(0, item_UN[listed_UN].long(), rise_E) / int((~missing_U).sum())
    n = min(item_UN.shape[1], int((mean_I > 0).sum()))
    # Stable, so that equal means come by the lowest id as everywhere.
    score_N, item_N = torch.sort(mean_I, descending=True, stable=True)
    item_UN, score_UN, floor_U = item_UN.clone(), score_UN.clone(), floor_U.clone()
    item_UN[missing_U, :n], score_UN[missing_U, :n] = item_N[:n].to(torch.int32), score_N[:n]
    floor_U[missing_U] = 0.0
    return item_UN, score_UN, floor_U


def _padded(user_E: Tensor, item_E: Tensor, score_E: Tensor, n_users: int) -> tuple[Tensor, Tensor]:
    """Entries grouped by user as rectangles."""
    length_U = torch.bincount(user_E, minlength=n_users)
    begin_U = length_U.cumsum(0) - length_U
    place_E = torch.arange(user_E.numel()) - begin_U[user_E]
    item_UN = torch.full((n_users, int(length_U.max())), -1, dtype=torch.int32)
    score_UN = torch.zeros(item_UN.shape)
    item_UN[user_E, place_E] = item_E.to(torch.int32)
    score_UN[user_E, place_E] = score_E
    return item_UN, score_UN
