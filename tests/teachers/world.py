"""A dataset of nothing but training and validation items."""

import polars as pl
import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from tests.conftest import rectangle


def world_of(train_UN: Tensor, valid_UN: Tensor, n_items: int) -> Interactions:
    """Every user's items, int64 [U, N] each; none held out for the test."""
    users = len(train_UN)
    empty = CSR(torch.zeros(users + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int32))
    ids = (pl.Series(range(n)) for n in (users, n_items))
    return Interactions(
        "world", "random", users, n_items, rectangle(train_UN), rectangle(valid_UN), empty, *ids, fingerprint="world"
    )
