"""What this process may use of the machine: cores and memory, within the limits that its control group sets (Linux)."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")


class Cores(NamedTuple):
    """Cores of the machine, those that this process may run on, and the control group's share in cores (None: all)."""

    present: int
    usable: int
    quota: float | None

    @property
    def worth_starting(self) -> int:
        """Threads worth starting: no more than there are cores for."""
        return max(1, min(self.usable, int(self.quota) if self.quota else self.usable))


def cores(root: Path = ROOT) -> Cores:
    """Of this process. root: for tests."""
    present = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else present
    return Cores(present, usable, min(_quotas(root), default=None))


def available_memory(root: Path = ROOT) -> int | None:
    """Bytes that can be had without swapping: the system's, or what is left within the limit. None where unknown."""
    found = [*_system_memory(root), *_left_within_limits(root)]
    return min(found, default=None)


def _quotas(root: Path) -> Iterator[float]:
    for folder in _groups(root, "cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        with suppress(ValueError):
            if int(quota) > 0 and int(period) > 0:
                yield int(quota) / int(period)


def _system_memory(root: Path) -> Iterator[int]:
    for line in _read(root / "proc" / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _left_within_limits(root: Path) -> Iterator[int]:
    for folder in _groups(root, "memory"):
        for limit, used, reclaimable in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with suppress(ValueError):  # "max", and what is not there, is no number
                left = int(_read(folder / limit)) - int(_read(folder / used))
                yield max(0, left + _field(_read(folder / "memory.stat"), reclaimable))


def _field(text: str, name: str) -> int:
    """The number after `name` in lines of names and numbers; 0 where it is not among them."""
    return next((int(line.split()[1]) for line in text.splitlines() if line.split()[:1] == [name]), 0)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of all above it, in both versions' layouts."""
    mounted = root / "sys" / "fs" / "cgroup"
    for line in _read(root / "proc" / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        base = mounted / controller if controllers else mounted
        inside = Path(path.lstrip("/"))
        yield from (base / folder for folder in (inside, *inside.parents))


def _read(path: Path) -> str:
    """A file's text without the last newline; "" where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
