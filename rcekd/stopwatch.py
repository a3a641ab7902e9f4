"""Where the time goes: named phases, added up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rcekd import devices, work


class Stopwatch:
    """Seconds per named phase. Phases must not nest.

    What a phase queues on a GPU is done only later. Where work is counted (`rcekd profile`), a phase begins and ends by
    waiting for `device`; elsewhere nobody waits, and a phase has the seconds that the host spent in it.
    """

    def __init__(self, device: torch.device = devices.CPU) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._settle()
        start = time.perf_counter()
        try:
            with work.phase(name):
                yield
                self._settle()
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def _settle(self) -> None:
        if work.is_counted():
            devices.wait(self._device)

    def take(self) -> dict[str, float]:
        """The seconds so far, and start again from nothing."""
        taken, self.seconds = self.seconds, {}
        return taken
