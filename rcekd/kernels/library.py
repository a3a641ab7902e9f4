"""Registration of native operations with torch.library, and what their statuses mean."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

NO_MEMORY = 3  # enum rcekd_status

_library = torch.library.Library("rcekd", "FRAGMENT")  # type: ignore[no-untyped-call]


CUDA: dict[str, Callable[..., Any]] = {}
"""By the registered name: the implementations for tensors on a GPU."""


def register(schema: str, cpu: Callable[..., Any], cuda: Callable[..., Any]) -> Callable[..., Any]:
    """Defines `rcekd::<schema>` with its implementations; returns the callable `torch.ops.rcekd.<name>`."""
    name = schema.partition("(")[0]
    _library.define(schema)  # type: ignore[no-untyped-call]
    _library.impl(name, cpu, "CPU")  # type: ignore[no-untyped-call]
    _library.impl(name, cuda, "CUDA")  # type: ignore[no-untyped-call]
    CUDA[name] = cuda
    operation: Callable[..., Any] = getattr(torch.ops.rcekd, name).default
    return operation


def address(tensor: Tensor | None) -> int:
    """Where a tensor's data lies; 0, the null pointer, for None."""
    return 0 if tensor is None else tensor.data_ptr()


def as_signed(word: int) -> int:
    """A 64-bit word as the int64 that torch passes on; `as_unsigned` undoes it."""
    return word - (1 << 64) if word >> 63 else word


def as_unsigned(word: int) -> int:
    """The 64-bit word behind an int64."""
    return word % (1 << 64)


def raise_for_memory(status: int) -> None:
    """MemoryError when the core could not get scratch memory."""
    if status == NO_MEMORY:
        raise MemoryError("the native core was refused scratch memory")
