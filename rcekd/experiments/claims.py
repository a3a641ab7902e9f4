"""Claims on work that several processes share: a file, locked by the process that is at it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def claim(file: Path) -> Iterator[bool]:
    """Whether this process has the claim: nobody else has until the block, or the process, ends."""
    with open(file, "w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
