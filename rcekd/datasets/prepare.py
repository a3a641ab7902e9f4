"""From a raw table to Interactions: filter, drop repeats, take the core, number the ids, order, split."""

from dataclasses import asdict, dataclass, replace

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from rcekd.datasets.cores import Codes, core_mask
from rcekd.datasets.interactions import Interactions, content_fingerprint
from rcekd.datasets.settings import DataSettings, DuplicateRule, SplitName
from rcekd.datasets.split import TEST, TRAIN, VALID, Rows, split_rows
from rcekd.datasets.times import Times
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR


@dataclass(frozen=True)
class Plan:
    """DataSettings with nothing left open but the split, which may depend on what the data holds."""

    split: SplitName | None
    split_seed: int
    valid_share: float
    test_share: float
    min_rating: float | None
    user_core: int
    item_core: int
    core_iterated: bool
    duplicates: DuplicateRule

    @staticmethod
    def of(settings: DataSettings, defaults: DataSettings) -> "Plan":
        """The user's settings, then the dataset's, then the general ones: no core, true k-core, repeats dropped."""
        chosen = {name: value for name, value in defaults if value is not None}
        chosen |= {name: value for name, value in settings if value is not None}
        return Plan(
            split=chosen.get("split"),
            split_seed=settings.split_seed,
            valid_share=settings.valid_share,
            test_share=settings.test_share,
            min_rating=chosen.get("min_rating"),
            user_core=chosen.get("user_core", 0),
            item_core=chosen.get("item_core", 0),
            core_iterated=chosen.get("core_iterated", True),
            duplicates=chosen.get("duplicates", "drop"),
        )


@dataclass(frozen=True)
class _Table:
    """Numbered interactions, one entry a row; ids in increasing order."""

    user: Codes
    item: Codes
    time: NDArray[np.int64] | NDArray[np.float64] | None
    part: NDArray[np.uint8] | None
    user_ids: pl.Series
    item_ids: pl.Series

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "_Table":
        time = None if self.time is None else self.time[rows]
        part = None if self.part is None else self.part[rows]
        return replace(self, user=self.user[rows], item=self.item[rows], time=time, part=part)


def prepare(name: str, raw: pl.DataFrame, plan: Plan) -> Interactions:
    """raw: columns user, item, and where known rating (Float64), time, part (UInt8: 0 train, 1 valid, 2 test).

    Raises InputError where a filter leaves nothing or the split needs what the data lacks.
    """
    if raw.is_empty():
        raise InputError(f"{name}: no user has an item; download or export the data again")
    split: SplitName = plan.split or _natural_split(raw)
    table = _numbered(_rated(name, raw, plan.min_rating))
    if plan.duplicates == "drop":
        table = _without_repeats(table)
    table = _ordered(_cored(name, table, plan), by_time=split != "reference")
    part = split_rows(
        Rows(table.user, table.time, table.part),
        split,
        seed=plan.split_seed,
        valid_share=plan.valid_share,
        test_share=plan.test_share,
    )
    if not (part == TRAIN).any():
        raise InputError(f"{name}: no interaction is left to train on; loosen data.min_rating or the split")
    return _assembled(name, table, part, replace(plan, split=split))


def _natural_split(raw: pl.DataFrame) -> SplitName:
    if "part" in raw.columns:
        return "given"
    return "time" if "time" in raw.columns else "random"


def _rated(name: str, raw: pl.DataFrame, least: float | None) -> pl.DataFrame:
    if least is None:
        return raw
    if "rating" not in raw.columns:
        raise InputError(
            f"data.min_rating={least:g}: {name} has no ratings; drop the setting or name their column with "
            "data.columns.rating"
        )
    kept = raw.filter(pl.col("rating") >= least)
    if kept.is_empty():
        top = raw.select(pl.col("rating").max()).item()
        raise InputError(f"data.min_rating={least:g}: no rating of {name} is that high; the highest is {top:g}")
    return kept


def _numbered(raw: pl.DataFrame) -> _Table:
    user_ids, user = _codes(raw["user"])
    item_ids, item = _codes(raw["item"])
    time = raw["time"].to_numpy() if "time" in raw.columns else None
    part = raw["part"].to_numpy() if "part" in raw.columns else None
    return _Table(user, item, time, part, user_ids, item_ids)


def _codes(values: pl.Series) -> tuple[pl.Series, Codes]:
    """Distinct values in increasing order, and the place of each value among them."""
    distinct = values.unique().sort()
    if values.dtype == pl.String:
        code = values.cast(pl.Enum(distinct)).to_physical().to_numpy()
    else:
        code = np.searchsorted(distinct.to_numpy(), values.to_numpy())
    return distinct, code.astype(np.int32)


def _without_repeats(table: _Table) -> _Table:
    """Keep the first of each repeated pair: the earliest where times are known, else the first in the file."""
    order = np.arange(len(table.user)) if table.time is None else np.argsort(table.time, kind="stable")
    if table.part is not None:
        # A pair of train must not vanish from there because the test holds it too.
        order = order[np.argsort(table.part[order], kind="stable")]
    pair = table.user.astype(np.int64) * len(table.item_ids) + table.item
    _, first = np.unique(pair[order], return_index=True)
    return table.take(np.sort(order[first]))


def _cored(name: str, table: _Table, plan: Plan) -> _Table:
    keep = core_mask(table.user, table.item, plan.user_core, plan.item_core, iterated=plan.core_iterated)
    if not keep.any():
        raise InputError(
            f"{name}: data.user_core={plan.user_core} and data.item_core={plan.item_core} leave no interaction; "
            "lower them"
        )
    return _compacted(table.take(keep))


def _compacted(table: _Table) -> _Table:
    user, user_ids = _compact(table.user, table.user_ids)
    item, item_ids = _compact(table.item, table.item_ids)
    return replace(table, user=user, item=item, user_ids=user_ids, item_ids=item_ids)


def _compact(code: Codes, ids: pl.Series) -> tuple[Codes, pl.Series]:
    present = np.bincount(code, minlength=len(ids)) > 0
    if present.all():
        return code, ids
    place = (np.cumsum(present) - 1).astype(np.int32)
    return place[code], ids.filter(pl.Series(present))


def _ordered(table: _Table, *, by_time: bool) -> _Table:
    """Group by user; within a user by time where asked and known, ties and all else in file order."""
    if by_time and table.time is not None:
        return table.take(np.lexsort((table.time, table.user)))
    return table.take(np.argsort(table.user, kind="stable"))


def _assembled(name: str, table: _Table, part: NDArray[np.uint8], plan: Plan) -> Interactions:
    n_users = len(table.user_ids)
    train, valid, test = (_rows_of(table, part == which, n_users) for which in (TRAIN, VALID, TEST))
    return Interactions(
        name=name,
        split=str(plan.split),
        n_users=n_users,
        n_items=len(table.item_ids),
        train=train,
        valid=valid,
        test=test,
        user_ids=table.user_ids.alias("user"),
        item_ids=table.item_ids.alias("item"),
        fingerprint=content_fingerprint((train, valid, test), table.user_ids, table.item_ids),
        preparation=asdict(plan),
        times=_times_of(table, part),
    )


def _rows_of(table: _Table, chosen: NDArray[np.bool_], n_users: int) -> CSR:
    counts = np.bincount(table.user[chosen], minlength=n_users)
    indptr = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])
    return CSR(torch.from_numpy(indptr), torch.from_numpy(table.item[chosen]))


def _times_of(table: _Table, part: NDArray[np.uint8]) -> Times | None:
    if table.time is None:
        return None
    return Times.of(*(torch.from_numpy(table.time[part == which]) for which in (TRAIN, VALID, TEST)))
