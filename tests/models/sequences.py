"""Interactions of given rows, for the sequential backbones."""

from collections.abc import Callable
from itertools import count

import polars as pl
import torch
from torch import Tensor

from rcekd.datasets import Times
from rcekd.datasets.interactions import Interactions, content_fingerprint
from rcekd.kernels.csr import CSR
from rcekd.models import Batch


def csr(rows: list[list[int]]) -> CSR:
    indptr = torch.tensor([0, *map(len, rows)]).cumsum(0)
    return CSR(indptr, torch.tensor([item for row in rows for item in row], dtype=torch.int32))


def interactions(rows: list[list[int]], items: int, times: list[list[int]] | None = None) -> Interactions:
    train, none = csr(rows), csr([[] for _ in rows])
    users, catalogue = pl.Series(range(len(rows))), pl.Series(range(items))
    fingerprint = content_fingerprint((train, none, none), users, catalogue)
    empty = torch.tensor([], dtype=torch.int64)
    timed = None if times is None else Times.of(flat(times), empty, empty)
    return Interactions(
        "rows", "random", len(rows), items, train, none, none, users, catalogue, fingerprint, times=timed
    )


def flat(times: list[list[int]]) -> Tensor:
    """The times of all rows, one after the other."""
    return torch.tensor([time for row in times for time in row], dtype=torch.int64)


def batch_of(rows: list[list[int]], users: list[int], window: int, negative: int) -> Batch:
    """The users' last interactions, with one negative for all of them."""
    pairs = [(user, item) for user in users for item in rows[user][-window:]]
    user_B, item_B = (torch.tensor(column, dtype=torch.int32) for column in zip(*pairs, strict=True))
    return Batch(user_B, item_B, torch.full((len(pairs), 1), negative, dtype=torch.int32))


def loud(model: torch.nn.Module) -> None:
    """Parameters large enough that everything in the model matters."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))


def twins(model: torch.nn.Module) -> dict[str, Tensor]:
    """The parameters in float64."""
    return {name: value.detach().double() for name, value in model.named_parameters()}


def counting() -> Callable[[Tensor], Tensor]:
    """In dropout's place, to show where it is: its n-th call multiplies by 1 + n/8."""
    calls = count(1)
    return lambda x: x * (1 + next(calls) / 8)
