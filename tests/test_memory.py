"""Peak memory: what a phase adds is seen, and forgotten when the next begins where the system allows."""

import platform
import subprocess
import sys

import pytest
import torch

from rcekd.memory import PeakMemory, peak_bytes

MIB = 1 << 20


def test_a_large_table_raises_the_peak() -> None:
    before = peak_bytes()
    memory = PeakMemory()
    size = before + 64 * MIB
    table = torch.ones(size // 4)
    assert memory.phase() > before
    assert memory.overall() >= size
    del table


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the mark be reset")
def test_a_new_phase_forgets_the_peak_and_the_whole_does_not() -> None:
    memory = PeakMemory()
    table = torch.ones(128 * MIB // 4)
    high = memory.phase()
    del table
    memory.restart()
    assert memory.phase() < high - 64 * MIB
    assert memory.overall() >= high


# Prints what is resident beyond the start: after a table was freed, and after the next phase began. In MiB.
FREED = """
import torch
from pathlib import Path
from rcekd.memory import PeakMemory, reuse_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

assert reuse_freed_memory()
memory, before = PeakMemory(), resident()
table = torch.ones(32 << 20)
del table
kept = resident()
memory.restart()
print((kept - before) >> 20, (resident() - before) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to keep what is freed")
def test_freed_memory_is_kept_until_a_phase_begins() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert kept > 100 > 20 > left
