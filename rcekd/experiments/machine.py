"""What a measurement was made on."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from rcekd.kernels import _native


def machine() -> str:
    """Cores, processor and the native core's instruction set, in words."""
    return f"{os.cpu_count()} × {_processor()}, {_native.isa()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


class Peaks(NamedTuple):
    """What this machine reaches in the best case: operations and bytes per second, with the threads now set."""

    flops: float
    bytes: float


def measured_peaks(seconds: float = 0.5) -> Peaks:
    """The best of several float32 matrix products (1024³, torch's own) and of several copies of 128 MiB."""
    side, half = 1024, 32 << 20
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(side, side, generator=generator), torch.randn(side, side, generator=generator)
    product, source, target = torch.empty(side, side), torch.zeros(half), torch.ones(half)
    product_s = _fastest(lambda: torch.matmul(left, right, out=product), seconds)
    copy_s = _fastest(lambda: target.copy_(source), seconds)
    return Peaks(2 * side**3 / product_s, 2 * 4 * half / copy_s)


def _fastest(call: Callable[[], object], seconds: float) -> float:
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return best
