"""Slots grouped by the id they belong to, for CUDA operations that sum by item or by user in a fixed order."""

import torch
from torch import Tensor


def group(id_S: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """(order, start), both int64: the slots of id i, ascending, are order[start[i]:start[i + 1]]; ids below 0 in none.

    start is [n + 1]. Sorts on the ids' device and waits for nothing.
    """
    ordered, order = torch.sort(id_S, stable=True)
    bounds = torch.arange(n + 1, dtype=ordered.dtype, device=ordered.device)
    return order, torch.searchsorted(ordered, bounds)


def items(id_S: Tensor, n: int) -> dict[str, Tensor]:
    """Slots by item, under the names of struct rcekd_cuda_call."""
    order, start = group(id_S, n)
    return {"item_slot": order, "item_start": start}


def users(id_R: Tensor, n: int) -> dict[str, Tensor]:
    """Rows by user, under the names of struct rcekd_cuda_call."""
    order, start = group(id_R, n)
    return {"user_row": order, "user_start": start}
