"""What the native operations reach of what they were meant to, on one core, in one process: a table for each goal.

    OMP_NUM_THREADS=1 python -m benchmarks.goals [--roofline FILE.svg]

The scan is held against the core's peak of multiply-adds and torch's product, the closure pass against the scan and a
torch pipeline, and so on to memory and time at a million items. `RCEKD_ISA=avx2` gives the other instruction set.
Teachers are the student plus noise, so that their scores correlate by ρ; both are random normal, the hard case for the
draws. Linux and g++ are needed.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.bench_closure import pipeline
from benchmarks.bench_set_cross_entropy import both_sides
from benchmarks.fma_peak import fma_peak
from benchmarks.measure import interleaved, measure, stamp
from benchmarks.roofline import Point, draw
from benchmarks.shapes import GOWALLA, STUDENT_DIM, Catalogue, factors
from rcekd.experiments.machine import measured_peaks
from rcekd.kernels.closure import closure
from rcekd.kernels.topk import topk
from rcekd.work import counting

USERS, WIDE = 2048, 64
SOME = Catalogue(USERS, GOWALLA.items)
HUGE = Catalogue(2048, 1_000_000)
BLOCK = 1024  # users whose scores torch holds at once
# Correlation of scores, and the noise on both tables that leads to it: ρ = 1 / (1 + noise²).
NOISE = {0.7: 0.655, 0.95: 0.229, 0.995: 0.0709}


class Row(NamedTuple):
    """A goal, what it asks for and what was measured."""

    goal: str
    asked: str
    reached: str


class Pass(NamedTuple):
    """Everything a closure pass is called with."""

    user: Tensor
    item: Tensor
    teacher_UK: Tensor
    draws: int

    def __call__(self) -> object:
        return closure(self.user, self.item, self.teacher_UK, draws=self.draws, tau=10.0, seed=0, epoch=0)


def closure_pass(catalogue: Catalogue, width: int, k: int, rho: float) -> Pass:
    """K = L = k, with a teacher whose scores correlate with the student's by rho."""
    user, item = factors(catalogue, width)
    other_user, other_item = factors(catalogue, width, seed=1)
    noise = NOISE[rho]
    teacher_UK, _ = topk(user + noise * other_user, item + noise * other_item, k)
    return Pass(user, item, teacher_UK, k)


def product(user: Tensor, item: Tensor) -> Callable[[], None]:
    """Torch's product of all users and items, by blocks into one preallocated matrix."""
    out = torch.empty(BLOCK, item.shape[0])

    def call() -> None:
        for rows in user.split(BLOCK):
            torch.matmul(rows, item.T, out=out[: rows.shape[0]])

    return call


def scan(width: int, peak: float) -> Iterator[Row]:
    """The scan with its filter (each user's best item: hardly anything survives the filter)."""
    user, item = factors(SOME, width)
    times = interleaved({"native": lambda: topk(user, item, 1), "torch": product(user, item)}, rounds=3)
    share = 2 * SOME.users * SOME.items * width / times["native"].best / peak
    asked = {STUDENT_DIM: "65 % (AVX-512), 80 % (AVX2)", WIDE: "80 %"}[width]
    yield Row(f"scan and filter, d = {width}, of the peak", asked, f"{share:.0%}")
    ratio = times["native"].best / times["torch"].best
    yield Row(f"scan and filter, d = {width}, of torch's matmul(out=)", "at most 0.8 ×", f"{ratio:.2f} ×")


def closures(width: int) -> Iterator[Row]:
    """The closure pass at K = L = 100 beside the bare scan, at three distances of teacher and student."""
    user, item = factors(SOME, width)
    for rho in NOISE:
        run = closure_pass(SOME, width, 100, rho)
        times = interleaved({"pass": run, "scan": lambda: topk(user, item, 1)}, rounds=3)
        near = rho == max(NOISE)
        asked = {STUDENT_DIM: "1.8 ×" if near else "3 ×", WIDE: "1.4 ×" if near else "2 ×"}[width]
        ratio, each = times["pass"].best / times["scan"].best, 1e6 * times["pass"].best / USERS
        yield Row(
            f"closure pass, d = {width}, ρ = {rho}, of the scan",
            f"at most {asked}",
            f"{ratio:.2f} × ({each:.0f} µs a user)",
        )


def against_torch() -> Iterator[Row]:
    """The closure pass beside matmul + topk + searchsorted + multinomial."""
    few = Catalogue(512, GOWALLA.items)
    for width in (STUDENT_DIM, WIDE):
        run = closure_pass(few, width, 100, 0.95)
        times = interleaved(
            {"torch": lambda run=run: pipeline(run.user, run.item, run.teacher_UK, run.draws), "native": run}, rounds=1
        )
        ratio = times["torch"].best / times["native"].best
        yield Row(f"closure pass, d = {width}, ρ = 0.95, against torch", "50 × faster", f"{ratio:.0f} ×")


def long_lists() -> Iterator[Row]:
    """K = L = 1000."""
    for rho in NOISE:
        each = measure(closure_pass(SOME, STUDENT_DIM, 1000, rho)).best / USERS
        yield Row(f"closure pass, d = 20, K = L = 1000, ρ = {rho}", "at most 80 µs a user", f"{1e6 * each:.0f} µs")


def cross_entropy() -> Iterator[Row]:
    """Set cross-entropy, forward and backward."""
    for width, asked in ((STUDENT_DIM, 8), (WIDE, 15)):
        times = interleaved(both_sides(width)[0])
        ratio = times["torch"].best / times["native"].best
        yield Row(f"set cross-entropy, d = {width}, against torch", f"{asked} × faster", f"{ratio:.1f} ×")


def million_items() -> Iterator[Row]:
    """Time and memory at a million items, d = 64."""
    run = closure_pass(HUGE, WIDE, 100, 0.95)
    table = run.item.numel() * run.item.element_size()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _memory("VmRSS")
    run()
    grown = _memory("VmHWM") - before
    each = measure(run, seconds=0.1).best / HUGE.users
    yield Row("1M items, d = 64, K = L = 100", "at most 1.0 core-ms a user", f"{1e3 * each:.2f} ms")
    beyond = f"{(grown - table) / 2**20:.0f} MiB, a thread's scratch and the answer"
    yield Row("1M items, d = 64, memory beyond two item tables", "at most 64 MB", beyond)


def _memory(field: str) -> int:
    """Bytes that Linux has for this process under VmRSS (now) or VmHWM (at most so far)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


def points() -> list[Point]:
    """Where operations stand between the core's two roofs, by the work their doors report."""
    named: dict[str, Callable[[], object]] = {}
    for width in (STUDENT_DIM, WIDE, 400):
        user, item = factors(SOME, width)
        named[f"top 20, d = {width}"] = lambda user=user, item=item: topk(user, item, 20)
    for width in (STUDENT_DIM, WIDE):
        named[f"closure pass, d = {width}"] = closure_pass(SOME, width, 50, 0.95)
        named[f"set cross-entropy, d = {width}"] = both_sides(width)[0]["native"]
    found = []
    for name, call in named.items():
        with counting() as ledger:
            call()
        work = ledger.phases[""]
        found.append(Point(name, work.flops, work.bytes, measure(call).best))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--roofline", type=Path, help="draw the roofline into this SVG file too")
    roofline = parser.parse_args().roofline
    torch.set_num_threads(1)
    peak = fma_peak()
    print("# The kernels' goals, one core\n\n| | asked | reached |\n|---|---|---|")
    groups = [scan(STUDENT_DIM, peak), scan(WIDE, peak), closures(STUDENT_DIM), closures(WIDE), against_torch()]
    groups += [long_lists(), cross_entropy(), million_items()]
    for group in groups:
        for row in group:
            print("| " + " | ".join(row) + " |", flush=True)
    moved = measured_peaks().bytes
    print(f"\nPeaks of this core: {peak / 1e9:.1f} GFLOP/s (`fma_peak.cpp`), {moved / 1e9:.1f} GB/s (copies).\n")
    if roofline:
        print(draw(points(), peak, moved, roofline))
    print(stamp())


if __name__ == "__main__":
    main()
