"""Bars: one for each method, in panels of dataset × pair; what Figures 1, 3 and 6 have in common."""

from collections.abc import Callable, Sequence
from typing import Any

from rcekd.reports.experiment.blocks import Block, Role, Row
from rcekd.reports.figures import style
from rcekd.reports.figures.material import panel_title

ROLES: dict[Role, tuple[str, str]] = {
    Role.ALONE: (style.FAINT, ""),
    Role.BASELINE: ("#56B4E9", ""),
    Role.KIN: ("#009E73", "////"),
    Role.SUBJECT: ("#D55E00", "...."),
}
"""Colour and hatch; white in print, the hatches still tell the method under test and its kin from the others."""
Limits = Callable[[Sequence[Row], str, float | None], tuple[float, float] | None]
"""Of the vertical axis, by the students, the metric and the teacher's mean, where there is a teacher."""


def draw_bars(blocks: Sequence[Block], metric: str, limits: Limits | None = None) -> Any | None:
    """The figure; None where no block has a student. Without limits the vertical axis begins at 0."""
    shown = [(block, students(block, metric)) for block in blocks]
    shown = [(block, rows) for block, rows in shown if rows]
    most = max((len(rows) for _, rows in shown), default=0)

    def panel_of(panel: Any, block: Block, rows: Sequence[Row]) -> None:
        _panel(panel, block, rows, metric)
        if limits is not None and (between := limits(rows, metric, _teacher(block, metric))) is not None:
            panel.set_ylim(*between)

    width = max(style.WIDTH, 0.26 * most + 0.8)
    return style.one_each(shown, panel_of, title=panel_title, down=f"test {metric.upper()}", width=width, height=2.5)


def students(block: Block, metric: str) -> list[Row]:
    """The rows of a block that a bar is drawn for."""
    return [row for row in block.rows if row.role is not Role.TEACHER and row.mean(metric) is not None]


def _panel(panel: Any, block: Block, rows: Sequence[Row], metric: str) -> None:
    for place, row in enumerate(rows):
        colour, hatch = ROLES[row.role]
        panel.bar(
            place, row.mean(metric), 0.74, yerr=row.deviation(metric), color=colour, hatch=hatch, edgecolor="white",
            linewidth=0, error_kw={"elinewidth": 0.9, "capsize": 2},
        )  # fmt: skip
    paper = [(place, row.paper[metric].value) for place, row in enumerate(rows) if metric in row.paper]
    if paper:
        spots, values = zip(*paper, strict=True)
        panel.plot(spots, values, "D", color="white", markeredgecolor="black", markersize=4, label="the paper")
    if (teacher := _teacher(block, metric)) is not None:
        panel.axhline(teacher, color="black", linestyle="--", linewidth=1, label="teacher")
    names = ["alone" if row.name == "none" and row.role is Role.ALONE else style.plain(row.name) for row in rows]
    panel.set_xticks(range(len(rows)), names, rotation=40, ha="right", rotation_mode="anchor")
    panel.tick_params(axis="x", length=0)


def _teacher(block: Block, metric: str) -> float | None:
    """Its mean."""
    return next((row.mean(metric) for row in block.rows if row.role is Role.TEACHER), None)
