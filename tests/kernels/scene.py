"""What the tests of the kernels, on the CPU and on a GPU, are given: factor tables and what users have seen."""

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR


def factors(users: int, items: int, width: int, seed: int = 0, *, tied: bool = False) -> tuple[Tensor, Tensor]:
    """Normal user and item factors; whole numbers, so with many equal scores, where `tied`."""
    generator = torch.Generator().manual_seed(seed)
    user, item = torch.randn(users, width, generator=generator), torch.randn(items, width, generator=generator)
    return (user.round(), item.round()) if tied else (user, item)


def history(users: int, items: int, share: float, seed: int = 9) -> CSR:
    """About this share of the items for every user, ascending."""
    row, column = (torch.rand(users, items, generator=torch.Generator().manual_seed(seed)) < share).nonzero().T
    return CSR.from_pairs(row, column, users)
