"""NDCG@10 on the training set while training, a line per method and seed (Figure 5)."""

from typing import Any

from rcekd.reports.experiment.blocks import Role
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
    if not shown:
        return None
    figure, axes, panels = style.tiled([block for block, _ in shown])
    for panel, (block, lines) in zip(panels, shown, strict=True):
        for place, (name, analyses) in enumerate(lines):
            for analysis in analyses:
                moments = [moment for moment in analysis["moments"] if METRIC in moment["train"]]
                epochs = [moment["epoch"] for moment in moments]
                values = [moment["train"][METRIC] for moment in moments]
                panel.plot(epochs, values, **style.line_style(place), label=name)
        panel.set_title(panel_title(block))
        panel.set_xlabel("epoch")
        panel.set_ylim(bottom=0)
    for line in axes:
        line[0].set_ylabel("training NDCG@10")
    style.common_legend(figure, axes)
    return figure
