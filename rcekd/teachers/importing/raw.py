"""What was read from a file, before any id is matched."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from rcekd.errors import InputError


@dataclass(frozen=True)
class RawFactors:
    """Two tables in the order of their file: user_XD [X, D], item_YD [Y, D], float32. Ids None: rows are not named."""

    format: str
    user_XD: Tensor
    item_YD: Tensor
    user_ids: pl.Series | None = None
    item_ids: pl.Series | None = None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class RawLists:
    """Top-N lists: columns user, item (ids) and score (Float64), best first within a user."""

    format: str
    table: pl.DataFrame
    notes: Sequence[str] = ()


def as_table(values: Any, where: str) -> Tensor:
    """An array or tensor as float32 [rows, D]. InputError unless it is a finite matrix of numbers."""
    table = _numbers(values, where)
    if table.ndim != 2 or not table.numel():
        raise InputError(f"{where}: expected a table of rows × factors, not an array of shape {shape(table)}")
    return _finite(table, where)


def as_vector(values: Any, where: str) -> Tensor:
    """An array or tensor as float32 [rows]; a column counts as a vector."""
    vector = _numbers(values, where)
    if vector.ndim == 2 and vector.shape[1] == 1:
        vector = vector[:, 0]
    if vector.ndim != 1:
        raise InputError(f"{where}: expected one number per item, not an array of shape {shape(vector)}")
    return _finite(vector, where)


def joined(
    format_name: str, user_XD: Tensor, item_YD: Tensor, bias_Y: Tensor | None, where: str, **rest: Any
) -> RawFactors:
    """Both tables as one teacher; an item bias becomes a last dimension, against 1 on the users' side."""
    if user_XD.shape[1] != item_YD.shape[1]:
        raise InputError(
            f"{where}: users have {user_XD.shape[1]} factors and items {item_YD.shape[1]}; "
            "their inner product is the score, so give two tables of one model"
        )
    if bias_Y is not None:
        if bias_Y.shape[0] != item_YD.shape[0]:
            raise InputError(f"{where}: {bias_Y.shape[0]} item biases for {item_YD.shape[0]} items")
        user_XD = torch.cat([user_XD, user_XD.new_ones(user_XD.shape[0], 1)], 1)
        item_YD = torch.cat([item_YD, bias_Y[:, None]], 1)
        rest["notes"] = (*rest.get("notes", ()), "item biases folded in as one more factor")
    return RawFactors(format_name, user_XD.contiguous(), item_YD.contiguous(), **rest)


def shape(values: Any) -> str:
    """[3, 4], as people write it."""
    return f"[{', '.join(str(size) for size in values.shape)}]"


def _numbers(values: Any, where: str) -> Tensor:
    if isinstance(values, Tensor):
        if values.is_complex() or values.dtype is torch.bool:
            raise InputError(f"{where}: expected real numbers, not {values.dtype}")
        if values.layout is not torch.strided or values.is_quantized:
            raise InputError(f"{where}: a sparse or quantized tensor; save it plain, by .to_dense() or .dequantize()")
        return values.detach().to(torch.float32)
    if values.dtype.kind not in "fiu":
        raise InputError(f"{where}: expected numbers, not {values.dtype}")
    return torch.from_numpy(np.array(values, dtype=np.float32))


def _finite(table: Tensor, where: str) -> Tensor:
    wrong = ~torch.isfinite(table)
    if wrong.any():
        row = int(wrong.reshape(table.shape[0], -1).any(1).nonzero()[0])
        raise InputError(f"{where}, row {row} (from 0): a value is NaN or infinite; was the training stable?")
    return table
