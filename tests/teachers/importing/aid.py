"""Teachers as files, for the checkerboard of tests/conftest.py: users and items have the ids from 100 on."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rcekd.teachers.importing import ImportRequest

USERS, ITEMS = 30, 40


def tables(dim: int = 3) -> tuple[Tensor, Tensor]:
    """A teacher of the checkerboard's size."""
    generator = torch.Generator().manual_seed(6)
    user_UD, item_ID = (torch.randn(n, dim, generator=generator) for n in (USERS, ITEMS))
    return user_UD, item_ID


def request(*files: Path, **options: Any) -> ImportRequest:
    return ImportRequest(files=files, **options)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})
    return path


def lines(path: Path, values: Any) -> Path:
    path.write_text("".join(f"{value}\n" for value in values), encoding="utf-8")
    return path
