"""Peak resident memory of this process, per phase where the system lets the mark be reset (Linux)."""

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_NEVER = -1


class PeakMemory:
    """Watches the high-water mark of resident memory from its creation on."""

    def __init__(self) -> None:
        self._overall = peak_bytes()

    def restart(self) -> None:
        """Begin a new phase: give back idle memory and forget the mark so far, as far as the system allows."""
        _give_back()
        self._overall = max(self._overall, peak_bytes())
        with contextlib.suppress(OSError):
            _RESET.write_text("5", encoding="utf-8")

    def phase(self) -> int:
        """Bytes at the highest since `restart` (since the start of the process where it cannot be reset)."""
        return peak_bytes()

    def overall(self) -> int:
        """Bytes at the highest since the start of the process."""
        self._overall = max(self._overall, peak_bytes())
        return self._overall


def peak_bytes() -> int:
    """The system's present high-water mark in bytes."""
    with contextlib.suppress(OSError, ValueError):
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reuse_freed_memory() -> bool:
    """Have the C library (glibc) keep what is freed for what is asked for next; whether it could be told.

    By default it hands every large tensor's memory back and has the system clear new pages for the next one. In
    training, where each step makes tables of the same sizes, that can take longer than the arithmetic.
    `PeakMemory.restart` gives back what lies idle. For a process of one's own: it changes the whole of it.
    """
    return _tell_malloc(_M_MMAP_MAX, 0) and _tell_malloc(_M_TRIM_THRESHOLD, _NEVER)


def _tell_malloc(parameter: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).mallopt(parameter, value))
    except (AttributeError, OSError, TypeError):
        return False


def _give_back() -> None:
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
