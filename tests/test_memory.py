"""Peak memory: what a phase adds is seen, and forgotten when the next begins where the system allows."""

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
