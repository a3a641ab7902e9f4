"""The mean of s_u over the epochs, a line per pair (Figure 9)."""

import statistics
from typing import Any

from rcekd.reports.figures import style
from rcekd.reports.figures.material import Material, arrow, place_of

TITLE = (
    "Mean over users of s_u, the share of the teacher's top K in the student's (eq. 37), at each epoch; mean over "
    "seeds, as far as all of them go"
)
KEY = "overlap"


def draw(material: Material) -> Any | None:
    """A panel per dataset; None where no run of the method under test tells its overlap."""
    curves: dict[tuple[str, str], list[float]] = {}
    for block in material.blocks:
        records = block.subject.records if block.subject is not None else []
        seeds = [curve for record in records if (curve := material.curve(record, KEY))]
        if seeds and (block.dataset, block.pair) not in curves:
            curves[block.dataset, block.pair] = [statistics.fmean(values) for values in zip(*seeds, strict=False)]
    if not curves:
        return None
    shown = [block for block in material.blocks if (block.dataset, block.pair) in curves]
    datasets, pairs = place_of(shown)
    figure, axes = style.panels(1, len(datasets))
    for panel, dataset in zip(axes[0], datasets, strict=True):
        for place, pair in enumerate(pairs):
            curve = curves.get((dataset, pair), [])
            if curve:
                every = max(1, len(curve) // 8)
                look = style.line_style(place)
                panel.plot(range(1, len(curve) + 1), curve, **look, markevery=every, label=style.plain(arrow(pair)))
        panel.set_title(style.plain(dataset))
        panel.set_xlabel("epoch")
        panel.set_ylim(0, 1)
    axes[0][0].set_ylabel("mean of $s_u$")
    style.common_legend(figure, axes)
    return figure
