"""Timing, comparison and the machine's stamp: what every benchmark shares."""

import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch

from rcekd.kernels import _native


class Timing(NamedTuple):
    """Seconds: the best and the middle of the repeats."""

    best: float
    middle: float

    def __str__(self) -> str:
        return f"{1e3 * self.best:.3f} ms (median {1e3 * self.middle:.3f})"


def measure(call: Callable[[], Any], *, seconds: float = 1.0) -> Timing:
    """Time `call` over and over for about `seconds`, at least three and at most 200 times, after one warm-up."""
    call()
    taken: list[float] = []
    while len(taken) < 3 or (sum(taken) < seconds and len(taken) < 200):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return Timing(min(taken), median(taken))


def interleaved(calls: dict[str, Callable[[], Any]], *, rounds: int = 5) -> dict[str, Timing]:
    """Time several calls in turn, so that a busy spell of the machine falls on all of them."""
    runs: dict[str, list[Timing]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            runs[name].append(measure(call, seconds=0.3))
    return {name: Timing(min(t.best for t in times), median(t.middle for t in times)) for name, times in runs.items()}


def table(title: str, timings: dict[str, Timing]) -> str:
    """A Markdown table of timings; the ratio is to the last row."""
    last = list(timings.values())[-1]
    lines = [f"### {title}", "", "| | best ms | median ms | × |", "|---|---|---|---|"]
    for name, t in timings.items():
        lines.append(f"| {name} | {1e3 * t.best:.3f} | {1e3 * t.middle:.3f} | {t.best / last.best:.2f} |")
    return "\n".join([*lines, ""])


def stamp() -> str:
    """Machine, versions, instruction set, threads and commit, one line each."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return "\n".join(
        [
            f"- processor: {_processor()}, {torch.get_num_threads()} threads, {_native.isa()}",
            f"- {platform.platform()}, Python {platform.python_version()}, torch {torch.__version__}",
            f"- commit {commit.stdout.strip() or 'unknown'}, {time.strftime('%Y-%m-%d')}",
        ]
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()
