"""What the tests of datasets share: types of the fixtures, and a CSR shown as lists."""

from collections.abc import Callable
from pathlib import Path

import torch

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR

Write = Callable[[str, str], Path]
Load = Callable[..., Interactions]
Refuse = Callable[..., str]


def rows(part: CSR) -> list[list[int]]:
    """A CSR as a list of lists."""
    return [row.tolist() for row in torch.split(part.indices, part.lengths().tolist())]
