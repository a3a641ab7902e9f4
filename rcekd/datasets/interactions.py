"""Interactions: what the rest of the package knows of a dataset."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import polars as pl
import torch
from torch import Tensor

from rcekd.datasets.item_features import ItemFeatures
from rcekd.datasets.times import History, Times
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.csr import CSR


class Pairs(NamedTuple):
    """Training interactions as two columns, in the order of the train CSR. user_B, item_B: int32 [train]."""

    user_B: Tensor
    item_B: Tensor


@dataclass(frozen=True, eq=False)
class Interactions:
    """A dataset cut into train, valid and test.

    Each part is a CSR of n_users rows holding item ids below n_items. Within a user, entries stand in time order where
    times are known (in file order under split=reference), repeated as the data has them. Items and users that occur
    only in valid or test keep their ids: they are cold. The original id of user u is `user_ids[u]`, and so for items;
    inner ids follow the increasing order of the original ones.
    """

    name: str
    split: str
    n_users: int
    n_items: int
    train: CSR
    valid: CSR
    test: CSR
    user_ids: pl.Series
    item_ids: pl.Series
    fingerprint: str
    """Hex digest of sizes, parts and original ids: equal for equal content, on any machine."""
    preparation: Mapping[str, object] = field(default_factory=dict)
    """The resolved settings that led here."""
    features: Mapping[str, ItemFeatures] = field(default_factory=dict)
    """Features of the items by modality; not part of the fingerprint."""
    times: Times | None = None
    """When the interactions happened, where the data says so; not part of the fingerprint."""

    @property
    def device(self) -> torch.device:
        """Where the interactions are, and all that is derived from them. Features of items stay where they are."""
        return self.train.indices.device

    def to(self, device: torch.device) -> "Interactions":
        """The same interactions on a device; themselves where they are there already."""
        train = self.train.to(device)
        if train is self.train:
            return self
        times = None if self.times is None else self.times.to(device)
        return replace(self, train=train, valid=self.valid.to(device), test=self.test.to(device), times=times)

    @property
    def is_validated(self) -> bool:
        """Whether anything is held out for validation: if not, nothing can be chosen by it."""
        return self.valid.indices.numel() > 0

    @cached_property
    def seen(self) -> CSR:
        """Train rows as sets: ascending, each item once."""
        return self.train.sorted_unique()

    @cached_property
    def valid_targets(self) -> CSR:
        """Valid rows as sets: a ranking, which has one place for an item, is judged by each once."""
        return self.valid.sorted_unique()

    @cached_property
    def test_targets(self) -> CSR:
        """Test rows as sets."""
        return self.test.sorted_unique()

    @cached_property
    def graph(self) -> BipartiteGraph:
        """Users and items of train, joined by each distinct pair once."""
        return BipartiteGraph.of(self.seen, self.n_items)

    @cached_property
    def seen_with_valid(self) -> CSR:
        """Train and valid rows together as sets: what the sterner masking takes out of the test ranking."""
        return self.train_with_valid.rows.sorted_unique()

    @property
    def train_history(self) -> History:
        """The train rows, and when."""
        return History(self.train, None if self.times is None else self.times.train)

    @cached_property
    def train_with_valid(self) -> History:
        """Train rows with the validation items after them: what is known of a user when the test begins."""
        row = torch.cat([self.train.rows(), self.valid.rows()])
        rows = CSR.from_pairs(row, torch.cat([self.train.indices, self.valid.indices]), self.n_users)
        if self.times is None:
            return History(rows)
        return History(rows, torch.cat([self.times.train, self.times.valid])[torch.argsort(row.long(), stable=True)])

    @cached_property
    def train_pairs(self) -> Pairs:
        """The train interactions as (user, item) columns."""
        return Pairs(self.train.rows(), self.train.indices)

    def __deepcopy__(self, memo: dict[int, object]) -> "Interactions":
        """Itself, as nothing changes it: a copy of a model shares its data."""
        return self

    def counts(self) -> dict[str, int | float]:
        """Sizes and the figures that show what an evaluation on this split can mean.

        cold_test_share and cold_valid_share: share of pairs whose item is never trained on (0 where there are none).
        users_single: users with one interaction in all. users_without_train/_test: users with no entry there.
        """
        lengths = {part: getattr(self, part).lengths() for part in ("train", "valid", "test")}
        total = lengths["train"] + lengths["valid"] + lengths["test"]
        sizes = {part: int(length.sum()) for part, length in lengths.items()}
        interactions = sum(sizes.values())
        return {
            "users": self.n_users,
            "items": self.n_items,
            **sizes,
            "interactions": interactions,
            "density": interactions / max(self.n_users * self.n_items, 1),
            "cold_valid_share": self._cold_share(self.valid),
            "cold_test_share": self._cold_share(self.test),
            "items_without_train": int((~self.trained_I).sum()),
            "users_without_train": int((lengths["train"] == 0).sum()),
            "users_without_test": int((lengths["test"] == 0).sum()),
            "users_single": int((total == 1).sum()),
        }

    @cached_property
    def trained_I(self) -> Tensor:
        """Which items occur in train, bool [I]; the others are cold."""
        return torch.bincount(self.train.indices, minlength=self.n_items) > 0

    def _cold_share(self, part: CSR) -> float:
        if not part.indices.numel():
            return 0.0
        return float((~self.trained_I[part.indices.long()]).double().mean())


def content_fingerprint(parts: tuple[CSR, CSR, CSR], user_ids: pl.Series, item_ids: pl.Series) -> str:
    """SHA-256 over ids, row offsets (int64) and entries (int32), little-endian as on every machine torch runs on."""
    digest = hashlib.sha256(f"rcekd interactions 1: {len(user_ids)} x {len(item_ids)}".encode())
    for ids in (user_ids, item_ids):
        digest.update(f"{ids.dtype}".encode())
        digest.update("\0".join(ids.cast(pl.String)).encode())
    for part in parts:
        digest.update(part.indptr.numpy().data)
        digest.update(part.indices.numpy().data)
    return digest.hexdigest()
