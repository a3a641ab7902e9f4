"""What a measurement was made on."""

import os
import platform
from pathlib import Path

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
