"""Where the time goes: named phases, added up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rcekd import work


class Stopwatch:
    """Seconds per named phase. Phases must not nest."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            with work.phase(name):
                yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def take(self) -> dict[str, float]:
        """The seconds so far, and start again from nothing."""
        taken, self.seconds = self.seconds, {}
        return taken
