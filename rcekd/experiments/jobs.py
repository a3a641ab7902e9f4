"""Several processes at one experiment: each takes the cells that nobody else has taken."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rcekd.errors import INTERRUPTED

START = "from rcekd.commands import main; main()"


def side_by_side(words: Sequence[str], jobs: int, look: Callable[[], None], *, every: float = 2.0) -> list[int]:
    """Run `rcekd WORDS` in `jobs` processes; `look` is called now and then. Returns their exit codes.

    Where this process is stopped, by Ctrl-C or SIGTERM, the others are asked to stop too, and waited for;
    KeyboardInterrupt then.
    """
    command = [sys.executable, "-c", START, *words]
    workers: list[subprocess.Popen[bytes]] = []
    with _sigterm_as_interrupt():
        try:
            for _ in range(jobs):
                workers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
            while any(worker.poll() is None for worker in workers):
                look()
                _wait_for_one(workers, every)
            look()
        except BaseException:
            for worker in workers:
                worker.terminate()
            raise
        finally:
            codes = [worker.wait() for worker in workers]
    return codes


def describe(code: int) -> str:
    """How a process ended, for people."""
    if code >= 0:
        return f"with code {code}"
    known = {number.value: number.name for number in signal.Signals}
    return f"by {known.get(-code, f'signal {-code}')}"


def was_stopped(code: int) -> bool:
    """Whether a process ended because it was asked to."""
    return code in (INTERRUPTED, -signal.SIGINT, -signal.SIGTERM)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM raise KeyboardInterrupt, as Ctrl-C does. Outside the main thread, which alone hears it, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_for_one(workers: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    running = next((worker for worker in workers if worker.poll() is None), None)
    if running is not None:
        try:
            running.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return
