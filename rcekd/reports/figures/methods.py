"""Methods side by side: bars from zero, with the teacher's line and the paper's values (Figure 1)."""

from typing import Any

from rcekd.reports.figures.bars import draw_bars
from rcekd.reports.figures.material import Material

TITLE = "Quality of every method; bars: mean over seeds, whiskers: standard deviation"


def draw(material: Material) -> Any | None:
    """None where no student is finished."""
    return draw_bars(material.blocks, material.metric)
