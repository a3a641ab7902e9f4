"""Top-N lists from a finished run: for listed users, for all, or for histories of users nobody has met."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from torch import Tensor

from rcekd.datasets import History
from rcekd.datasets.download import file_sha256
from rcekd.errors import InputError
from rcekd.experiments.opening import FinishedRun
from rcekd.kernels.csr import CSR
from rcekd.serving import shards
from rcekd.serving.fold_in import FoldIn, fit
from rcekd.serving.ids import UNKNOWN, IdMap
from rcekd.serving.rows import stacked
from rcekd.serving.seen import Seen, seen_between, seen_of
from rcekd.serving.titles import with_titles
from rcekd.serving.top import frame, rank

_SEPARATORS = " (between the items of a line stand tabs, else commas, else spaces)"


class Answer(NamedTuple):
    """users: whom lists were asked for, in order, whether or not anything is left to list. lists: see `Recommender`."""

    users: pl.Series
    lists: pl.DataFrame


class Recommender:
    """A trained model at work. `seen`: which known items a user's list leaves out. `titles`: see `read_titles`.

    k: length of a list; what is more than the catalogue's is cut.
    """

    def __init__(self, run: FinishedRun, k: int, seen: Seen, titles: pl.DataFrame | None = None) -> None:
        self.run, self.seen, self.titles = run, seen, titles
        self.k = min(k, run.data.n_items)

    @cached_property
    def users(self) -> IdMap:
        return IdMap(self.run.data.user_ids, "user")

    @cached_property
    def items(self) -> IdMap:
        return IdMap(self.run.data.item_ids, "item")

    @property
    def untitled(self) -> bool:
        """Whether there is a table of titles, and not one of them is of an item of the model's."""
        return self.titles is not None and bool((self.items.find(self.titles["item"]) == UNKNOWN).all())

    @cached_property
    def fold_in(self) -> FoldIn:
        """What makes a history a vector, where the backbone does not read histories itself."""
        return fit(self.run.tables, self.run.data)

    def for_users(self, written: Sequence[str], *, where: str, skip_unknown: bool = False) -> Answer:
        """Lists of users given by their original ids, in that order: columns user, rank, item, (title,) score.

        InputError names the first unknown user, unless they are to be skipped and one is known.
        """
        user_B = self.users.find(written)
        if not skip_unknown:
            self.users.refuse_unknown(written, user_B, where)
        user_B = user_B[user_B != UNKNOWN]
        if not user_B.numel():
            raise InputError(f"{where}: no user that this model knows; name one of the data it was trained on")
        vector_BD, leave_out = self.run.tables.user_UD[user_B.long()], seen_of(self.run.data, self.seen, user_B)
        user = self.users.names(user_B.numpy())
        return Answer(user, self._lists(vector_BD, leave_out, user))

    def for_histories(
        self,
        lines: Sequence[Sequence[str]],
        *,
        where: str,
        skip_unknown: bool = False,
        times: Sequence[Sequence[float]] | None = None,
    ) -> Answer:
        """Lists for users known only by the items they have met; user is the line, from 1.

        A sequential model reads the items itself, in the order written; for others the fold-in's map does. times: of
        every item, in the unit of the data's times, for a model that reads them; without, it knows the order alone.
        InputError names the line of the first unknown item (unless skipped), or of the first history with none.
        """
        rows: list[Tensor] = []
        read: list[Tensor] = []
        when: list[Tensor] = []
        for number, written in enumerate(lines, start=1):
            item_N = self.items.find(written)
            if not skip_unknown:
                self.items.refuse_unknown(written, item_N, f"{where}, line {number}", _SEPARATORS)
            read.append(item_N[item_N != UNKNOWN])
            if times is not None:
                when.append(torch.tensor(times[number - 1], dtype=torch.float64)[item_N != UNKNOWN])
            rows.append(torch.unique(read[-1]))
            if not rows[-1].numel():
                raise InputError(f"{where}, line {number}: no item that this model knows; leave the line out")
        history = stacked(rows)
        nothing = CSR(torch.zeros_like(history.indptr), history.indices[:0])
        leave_out = nothing if self.seen == "none" else history
        user = pl.Series(range(1, len(lines) + 1), dtype=pl.Int64)
        if self.run.reads_histories:
            vector_BD = self.run.model.tables(History(stacked(read), torch.cat(when) if when else None)).user_UD
        else:
            vector_BD = self.fold_in(history, self.run.tables.item_ID)
        return Answer(user, self._lists(vector_BD, leave_out, user))

    def for_all(self, folder: Path, per_shard: int | None, *, force: bool = False) -> Iterator[shards.Written]:
        """Lists of every user, as shards in a folder; yields after each. Goes on where it was stopped.

        InputError where the folder holds other lists (unless `force`), or another process is at work in it.
        """
        data = self.run.data
        per_shard = per_shard or shards.users_per_shard(self.k)
        with shards.held(folder):
            shards.open_folder(folder, self.identity() | {"users_per_shard": per_shard}, force=force)
            yield from shards.write_shards(folder, shards.plan(data.n_users, per_shard), self._shard)

    def identity(self) -> dict[str, Any]:
        """What the lists depend on."""
        titles = None if self.titles is None else hashlib.sha256(self.titles.write_csv().encode()).hexdigest()
        weights, data = file_sha256(self.run.folder.model_file), self.run.data
        return {"model": weights, "data": data.fingerprint, "top": self.k, "seen": self.seen, "titles": titles}

    def _shard(self, shard: shards.Shard) -> pl.DataFrame:
        leave_out = seen_between(self.run.data, self.seen, shard.start, shard.stop)
        user = self.run.data.user_ids[shard.start : shard.stop]
        return self._lists(self.run.tables.user_UD[shard.start : shard.stop], leave_out, user)

    def _lists(self, vector_BD: Tensor, leave_out: CSR, user: pl.Series) -> pl.DataFrame:
        try:
            lists = rank(vector_BD, self.run.tables.item_ID, self.k, leave_out)
        except FloatingPointError as error:
            raise InputError(f"{self.run.folder.model_file}: {error}; train the run again") from error
        found = frame(lists, user, self.items)
        return found if self.titles is None else with_titles(found, self.titles)
