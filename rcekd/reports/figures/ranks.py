"""The student's rank of what the teacher ranks r-th, early and at the end of training (Figures 2 and 4)."""

import math
from collections.abc import Sequence
from typing import Any

from rcekd.reports.experiment.blocks import Block, Role, Row
from rcekd.reports.figures import style
from rcekd.reports.figures.captions import moments_taken, users_drawn
from rcekd.reports.figures.material import END, MIDDLE, Material, moment_at, panel_title

TITLE = (
    "Rank that the student gives to what the teacher ranks r-th, median over users, in the middle and at the end of "
    "training; dotted: equal ranks"
)
MOMENTS = ((MIDDLE, style.FAINT, "--", "middle"), (END, "#D55E00", "-", "end"))


def draw(material: Material) -> Any | None:
    """A panel per dataset and pair, for the method under test; None where none has been analysed."""
    shown = [(block, [_median(found, share) for share, *_ in MOMENTS]) for block, found in _shown(material)]
    return style.one_each(shown, _panel, title=panel_title, across="teacher's rank", down="student's rank")


def told(material: Material) -> list[str]:
    """The moments and the users that the panels are of."""
    found = _shown(material)
    wanted = [(name, share) for share, _, _, name in MOMENTS]
    return moments_taken([one for _, analyses in found for one in analyses], wanted) + users_drawn(found)


def _shown(material: Material) -> list[tuple[Block, list[dict[str, Any]]]]:
    """The blocks that have a panel, each with what was found of its seeds."""
    rows = [(block, row) for block in material.blocks if (row := _studied(block)) is not None]
    return [(block, found) for block, row in rows if (found := material.analyses(row))]


def _studied(block: Block) -> Row | None:
    return block.subject or next(
        (r for r in block.rows if r.records and r.role not in (Role.TEACHER, Role.ALONE)), None
    )


def _panel(panel: Any, block: Block, drawn: list[tuple[list[float], list[float]]]) -> None:
    del block
    panel.set_xscale("log"), panel.set_yscale("log")  # where equal ranks are a straight line too
    for (rank, student), (_, colour, line, label) in zip(drawn, MOMENTS, strict=True):
        panel.plot(rank, student, color=colour, linestyle=line, linewidth=1.1, label=label)
    ends = [1, max(rank[-1] for rank, _ in drawn)]
    panel.plot(ends, ends, color="black", linestyle=":", linewidth=0.9, label="equal ranks")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter("{x:g}")


def _median(analyses: Sequence[dict[str, Any]], share: float) -> tuple[list[float], list[float]]:
    """Teacher's ranks and the student's, averaged over seeds."""
    found = [moment["ranks"] for analysis in analyses if (moment := moment_at(analysis, share)) is not None]
    rank = found[0]["teacher_rank"]
    columns = zip(*(ranks["student_rank_median"] for ranks in found), strict=True)
    return rank, [sum(known) / len(known) if (known := _known(column)) else math.nan for column in columns]


def _known(column: Sequence[float | None]) -> list[float]:
    return [value for value in column if value is not None]
