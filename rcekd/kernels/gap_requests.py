"""Requests of draws by rank gap on their way from a door to the core: checked, as operands for torch, as C structs."""

import ctypes
from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor

from rcekd.kernels.checks import INT64_MAX, check_count
from rcekd.kernels.cuda_arguments import GapRequest
from rcekd.kernels.gap import Direction, GapDraws, Weight
from rcekd.kernels.library import address, as_signed, as_unsigned
from rcekd.kernels.reference.gap import gap_key

# enum rcekd_gap_flags in csrc/include/rcekd/gap.h
EXPONENTIAL, OVER, REPLACEMENT, IN_ORDER = 1, 2, 4, 8

Operands = tuple[list[int], list[int], list[float], list[int]]
"""By request: draws, flags, eps, and the key as a signed word."""


def check_request(request: GapDraws) -> None:
    """ValueError where the core cannot draw so."""
    check_count("draws", request.draws)
    check_count("stream", request.stream, highest=INT64_MAX)
    if not 1e-100 <= request.eps <= 1e100:
        raise ValueError(f"eps must lie in [1e-100, 1e100], not {request.eps}")
    if request.weight not in get_args(Weight):
        raise ValueError(f"weight must be 'tanh' or 'exp', not {request.weight!r}")
    if request.direction not in get_args(Direction):
        raise ValueError(f"direction must be 'under' or 'over', not {request.direction!r}")


def as_operands(requests: Sequence[GapDraws], *, seed: int, epoch: int, in_order: bool = False) -> Operands:
    """The requests as the operations' schemas have them."""
    return (
        [request.draws for request in requests],
        [_flags(request) + IN_ORDER * in_order for request in requests],
        [request.eps for request in requests],
        [as_signed(gap_key(seed, epoch, request.stream)) for request in requests],
    )


def empty_lists(rows: int, draws: Sequence[int], device: torch.device) -> list[Tensor]:
    """For each request the int32 [rows, draws] that the core fills."""
    return [torch.empty(rows, one, dtype=torch.int32, device=device) for one in draws]


def as_structs(operands: Operands, lists: Sequence[Tensor]) -> list[tuple[int, int, float, int, int]]:
    """The fields of one rcekd_gap_request per request."""
    draws, flags, eps, keys = operands
    return list(zip(draws, flags, eps, map(as_unsigned, keys), map(address, lists), strict=True))


def as_array(operands: Operands, lists: Sequence[Tensor]) -> "ctypes.Array[GapRequest]":
    """The same in host memory, for a launch."""
    fields = as_structs(operands, lists)
    return (GapRequest * len(fields))(*(GapRequest(*one) for one in fields))


def _flags(request: GapDraws) -> int:
    exponential, over = request.weight == "exp", request.direction == "over"
    return EXPONENTIAL * exponential + OVER * over + REPLACEMENT * request.replacement
