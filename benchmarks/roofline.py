"""A roofline: what operations reach, by how much arithmetic they do for each byte that has to move."""

from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from rcekd.reports.figures.style import MARKS, styled
from rcekd.reports.pictures import COLOURS


class Point(NamedTuple):
    """An operation: its arithmetic, the bytes it must move at least once, and the seconds it took."""

    name: str
    flops: float
    bytes: float
    seconds: float

    @property
    def intensity(self) -> float:
        return self.flops / self.bytes

    @property
    def rate(self) -> float:
        return self.flops / self.seconds


def draw(points: list[Point], peak: float, moved: float, path: Path) -> str:
    """Write the picture (SVG) and return the same as a Markdown table.

    peak: operations per second at best; moved: bytes per second at best. The roof over a point is the lower of `peak`
    and `moved` times its intensity.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with styled():
        figure = Figure(figsize=(5.6, 3.4), layout="constrained")
        axes = figure.subplots()
        span = [0.25, *(2.0 * max(p.intensity for p in points),)]
        ridge = peak / moved
        axes.plot([span[0], ridge, span[1]], [moved * span[0] / 1e9, peak / 1e9, peak / 1e9], color="black")
        axes.annotate(f"{peak / 1e9:.0f} GFLOP/s", (span[1], peak / 1e9), ha="right", va="bottom", fontsize=7)
        axes.annotate(
            f"{moved / 1e9:.0f} GB/s", (span[0], moved * span[0] / 1e9), (8, 0), textcoords="offset points", fontsize=7
        )
        for place, point in enumerate(points):
            axes.plot(
                point.intensity, point.rate / 1e9, linestyle="", marker=MARKS[place % len(MARKS)],
                color=COLOURS[place % len(COLOURS)], label=point.name,
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s")
        figure.legend(loc="outside right upper")
        figure.savefig(path, metadata={"Title": "Native operations under the roofs of one core", "Date": None})
    lines = ["| operation | operations per byte | GFLOP/s | of its roof |", "|---|---|---|---|"]
    for p in points:
        roof = min(peak, moved * p.intensity)
        lines.append(f"| {p.name} | {p.intensity:.1f} | {p.rate / 1e9:.1f} | {p.rate / roof:.0%} |")
    return "\n".join([*lines, ""])
