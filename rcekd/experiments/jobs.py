"""Several processes at one experiment: each takes the cells that nobody else has taken."""

import subprocess
import sys
from collections.abc import Callable, Sequence

START = "from rcekd.commands import main; main()"


def side_by_side(words: Sequence[str], jobs: int, look: Callable[[], None], *, every: float = 2.0) -> list[int]:
    """Run `rcekd WORDS` in `jobs` processes; `look` is called now and then. Returns their exit codes.

    Where this process is stopped, the others are asked to stop too, and waited for.
    """
    command = [sys.executable, "-c", START, *words]
    workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(jobs)]
    try:
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


def _wait_for_one(workers: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    running = next((worker for worker in workers if worker.poll() is None), None)
    if running is not None:
        try:
            running.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return
