"""Sizes the benchmarks share."""

from typing import NamedTuple

import torch
from torch import Tensor


class Catalogue(NamedTuple):
    """Users and items of a dataset."""

    users: int
    items: int


CITEULIKE = Catalogue(5_219, 25_181)
GOWALLA = Catalogue(29_858, 40_981)
BATCH = 2048
STUDENT_DIM, TEACHER_DIM = 20, 400


def factors(catalogue: Catalogue, width: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random user and item factors, [U, D] and [I, D]."""
    generator = torch.Generator().manual_seed(seed)
    return (
        0.3 * torch.randn(catalogue.users, width, generator=generator),
        0.3 * torch.randn(catalogue.items, width, generator=generator),
    )


def triples(catalogue: Catalogue) -> tuple[Tensor, Tensor, Tensor]:
    """A training batch: users [B], positives [B], negatives [B, 1], int32."""
    generator = torch.Generator().manual_seed(0)
    user, positive, negative = (
        torch.randint(bound, (BATCH,), generator=generator, dtype=torch.int32)
        for bound in (catalogue.users, catalogue.items, catalogue.items)
    )
    return user, positive, negative[:, None]
