"""Peak resident memory of this process, per phase where the system lets the mark be reset (Linux)."""

import contextlib
import resource
import sys
from pathlib import Path

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class PeakMemory:
    """Watches the high-water mark of resident memory from its creation on."""

    def __init__(self) -> None:
        self._overall = peak_bytes()

    def restart(self) -> None:
        """Begin a new phase: forget the mark so far, as far as the system allows."""
        self._overall = max(self._overall, peak_bytes())
        with contextlib.suppress(OSError):
            _RESET.write_text("5")

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
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
