"""NDCG@10 on the training set while training, a line per method and seed (Figure 5)."""

from collections.abc import Sequence
from typing import Any

from rcekd.reports.experiment.blocks import Block, Role
from rcekd.reports.figures import style
from rcekd.reports.figures.material import Material, panel_title

TITLE = "NDCG@10 on the training set at the kept moments of training; a line per seed"
METRIC = "ndcg@10"


def draw(material: Material) -> Any | None:
    """A panel per dataset and pair; None where no run has been analysed."""
    shown = []
    for block in material.blocks:
        rows = [row for row in block.rows if row.role not in (Role.TEACHER, Role.ALONE)]
        lines = [(row.name, material.analyses(row)) for row in rows]
        if any(found for _, found in lines):
            shown.append((block, lines))
    return style.one_each(shown, _panel, title=panel_title, across="epoch", down="training NDCG@10")


def _panel(panel: Any, block: Block, lines: Sequence[tuple[str, list[dict[str, Any]]]]) -> None:
    del block
    for place, (name, analyses) in enumerate(lines):
        for analysis in analyses:
            moments = [moment for moment in analysis["moments"] if METRIC in moment["train"]]
            epochs = [moment["epoch"] for moment in moments]
            values = [moment["train"][METRIC] for moment in moments]
            panel.plot(epochs, values, **style.line_style(place), label=style.plain(name))
    panel.set_ylim(bottom=0)
