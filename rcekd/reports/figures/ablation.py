"""A method and its variants: bars whose axis begins where they differ, with deviations (Figures 3 and 6)."""

from collections.abc import Sequence
from typing import Any

from rcekd.reports.experiment.blocks import Row
from rcekd.reports.figures.bars import draw_bars
from rcekd.reports.figures.material import Material

TITLE = (
    "Variants of a method; bars: mean over seeds, whiskers: standard deviation. "
    "The vertical axes begin above zero where that is needed to see the differences"
)
ROOM = 0.6


def draw(material: Material) -> Any | None:
    """None where no student is finished."""
    return draw_bars(material.blocks, material.metric, where_they_differ)


def where_they_differ(rows: Sequence[Row], metric: str, teacher: float | None) -> tuple[float, float] | None:
    """From below the lowest bar and whisker, by a share of the range, to above the highest; the teacher's line too."""
    means = [(row.mean(metric) or 0.0, row.deviation(metric) or 0.0) for row in rows]
    values = [mean + sign * spread for mean, spread in means for sign in (-1.0, 1.0)]
    values += [row.paper[metric].value for row in rows if metric in row.paper]
    values += [teacher] if teacher is not None else []
    low, high = min(values), max(values)
    if high <= low or low < 0.5 * high:
        return None
    return low - ROOM * (high - low), high + 0.2 * (high - low)
