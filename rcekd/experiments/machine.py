"""What a measurement was made on."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

from rcekd import devices
from rcekd.kernels import _native


def machine() -> str:
    """Cores, processor and the native core's instruction set, in words."""
    return f"{os.cpu_count()} × {_processor()}, {_native.isa()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


class Peaks(NamedTuple):
    """What this machine reaches in the best case: operations and bytes per second, with the threads now set."""

    flops: float
    bytes: float


def measured_peaks(device: torch.device = devices.CPU) -> Peaks:
    """The best of several float32 matrix products (1024³, 4096³ on a GPU, torch's own) and of several large copies."""
    side, half = (4096, 128 << 20) if device.type == "cuda" else (1024, 32 << 20)
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(side, side, generator=generator).to(device) for _ in range(2))
    product = torch.empty_like(left)
    product_s = _fastest(lambda: torch.matmul(left, right, out=product), device)
    source = torch.zeros(half, device=device)
    target = torch.ones_like(source)
    copy_s = _fastest(lambda: target.copy_(source), device)
    return Peaks(2 * side**3 / product_s, 2 * 4 * half / copy_s)


def _fastest(call: Callable[[], object], device: torch.device, seconds: float = 0.5) -> float:
    """Seconds of the fastest call within `seconds`, waited for; at least one is measured."""
    end = time.perf_counter() + seconds
    call()  # the first call is slower than those after it
    devices.wait(device)
    best = float("inf")
    while best == float("inf") or time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        devices.wait(device)
        best = min(best, time.perf_counter() - begin)
    return best
