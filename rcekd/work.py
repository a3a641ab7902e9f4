"""How much arithmetic and memory traffic a stretch of work takes, phase by phase, where somebody wants to know.

The native operations' doors report what their mathematics needs at least: multiplications and additions, and bytes read
and written once each. What caches save or repeat is not in it, so a rate is work over time, not a hardware counter.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Work:
    """Floating-point operations and bytes."""

    flops: float = 0.0
    bytes: float = 0.0


@dataclass
class Ledger:
    """The work of every phase, by its name; outside all phases the name is empty."""

    phases: dict[str, Work] = field(default_factory=dict)
    current: str = ""

    def add(self, flops: float, moved: float) -> None:
        work = self.phases.setdefault(self.current, Work())
        work.flops += flops
        work.bytes += moved


_open: list[Ledger] = []


@contextmanager
def counting() -> Iterator[Ledger]:
    """Keep a ledger of all that operations report until the block ends."""
    ledger = Ledger()
    _open.append(ledger)
    try:
        yield ledger
    finally:
        _open.remove(ledger)


def is_counted() -> bool:
    """Whether a ledger is open."""
    return bool(_open)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Book what is reported meanwhile under this name."""
    before = [ledger.current for ledger in _open]
    for ledger in _open:
        ledger.current = name
    try:
        yield
    finally:
        for ledger, old in zip(_open, before, strict=False):
            ledger.current = old


def report(work: Callable[[], tuple[float, float]]) -> None:
    """Book (flops, bytes), which are only worked out where a ledger is open."""
    if _open:
        flops, moved = work()
        for ledger in _open:
            ledger.add(flops, moved)
