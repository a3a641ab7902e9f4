"""A teacher's ids against the dataset's: who is where, who is missing, and when that is too many."""

from dataclasses import dataclass

import polars as pl
import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.datasets.id_files import first_few
from rcekd.errors import InputError

PADDING = "[PAD]"  # RecBole's row 0, which belongs to nobody


@dataclass(frozen=True)
class Match:
    """One side, users or items, after matching.

    row_N: the teacher's row of each of the dataset's N users or items, int64, −1 where it has none. unknown: the
    teacher's ids that the dataset does not have. trained, missing_trained: how many occur in train, and how many of
    those have no row; only they are held against a teacher, which cannot have learnt what was never trained on.
    """

    side: str
    row_N: Tensor
    unknown: int
    trained: int
    missing_trained: int

    @property
    def matched(self) -> int:
        return int((self.row_N >= 0).sum())

    @property
    def missing(self) -> int:
        return self.row_N.numel() - self.matched

    @property
    def missing_share(self) -> float:
        """Share of what occurs in train that has no row."""
        return self.missing_trained / max(self.trained, 1)

    def counts(self) -> dict[str, int | float]:
        """For people and programs."""
        return {
            "matched": self.matched,
            "missing": self.missing,
            "missing_trained": self.missing_trained,
            "missing_share": self.missing_share,
            "unknown": self.unknown,
        }


def match(data: Interactions, side: str, ids: pl.Series | None, n_rows: int, where: str) -> Match:
    """Find the dataset's users (items) among the teacher's `n_rows` rows.

    ids: the original id of each row; None: row r is the dataset's inner id r, so there must be as many of them.
    InputError for an id that occurs twice, or another number of rows than ids.
    """
    ours = data.user_ids if side == "user" else data.item_ids
    row_N = torch.arange(len(ours)) if ids is None else _rows(ids, ours, side, n_rows, where)
    if ids is None and n_rows != len(ours):
        raise InputError(
            f"{where}: {n_rows} {side} rows, but {data.name} has {len(ours)} {side}s; "
            f"give --{side}-ids FILE with the original id of every row"
        )
    column = data.train.rows() if side == "user" else data.train.indices
    trained_N = torch.bincount(column, minlength=len(ours)) > 0
    missing_N = row_N < 0
    padding = 0 if ids is None else int((ids.cast(pl.String) == PADDING).sum())
    unknown = n_rows - padding - int((~missing_N).sum())
    return Match(side, row_N, unknown, int(trained_N.sum()), int((missing_N & trained_N).sum()))


def _rows(ids: pl.Series, ours: pl.Series, side: str, n_rows: int, where: str) -> Tensor:
    if len(ids) != n_rows:
        header = "; a table's first line is its header" if abs(len(ids) - n_rows) == 1 else ""
        raise InputError(f"{where}: {len(ids)} {side} ids for {n_rows} rows; give one id per row{header}")
    twice = ids.is_duplicated()
    if twice.any():
        raise InputError(f"{where}: {side} id {ids.filter(twice)[0]!r} occurs twice")
    theirs = pl.DataFrame({"id": ids.cast(pl.String), "row": range(len(ids))})
    found = ours.cast(pl.String).alias("id").to_frame().join(theirs, on="id", how="left", maintain_order="left")
    return torch.from_numpy(found["row"].fill_null(-1).cast(pl.Int64).to_numpy().copy())


def refuse_missing(data: Interactions, found: Match, ids: pl.Series | None, max_missing: float) -> None:
    """InputError where too many of the dataset's trained users (items) have no row."""
    if found.missing_share <= max_missing:
        return
    ours = data.user_ids if found.side == "user" else data.item_ids
    theirs = "" if ids is None or not len(ids) else f" and the teacher like {first_few(ids)}"
    raise InputError(
        f"{found.missing_trained:,} of the {found.trained:,} {found.side}s that {data.name} trains on are not in the "
        f"teacher ({found.missing_share:.1%}, allowed {max_missing:.1%}); check the ids, the dataset's are like "
        f"{first_few(ours)}{theirs}, or raise --max-missing"
    )
