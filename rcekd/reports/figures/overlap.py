"""The mean of s_u over the epochs, a line per pair (Figure 9)."""

import statistics
from typing import Any

from rcekd.reports.experiment.blocks import Block
from rcekd.reports.figures import style
from rcekd.reports.figures.captions import variants_chosen
from rcekd.reports.figures.material import Material, arrow, place_of

TITLE = (
    "Mean over users of s_u, the share of the teacher's top K in the student's (eq. 37), at each epoch; mean over "
    "seeds, as far as all of them go"
)
KEY = "overlap"


def draw(material: Material) -> Any | None:
    """A panel per dataset; None where no run of the method under test tells its overlap."""
    shown = _shown(material)
    if not shown:
        return None
    curves = {(block.dataset, block.pair): curve for block, curve in shown}
    datasets, pairs = place_of([block for block, _ in shown])
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


def told(material: Material) -> list[str]:
    """The variant that the lines are of, where there are several."""
    return variants_chosen([block for block, _ in _shown(material)], material.blocks)


def _shown(material: Material) -> list[tuple[Block, list[float]]]:
    """Of each dataset and pair the first variant that tells its overlap, with the curve."""
    found: dict[tuple[str, str], tuple[Block, list[float]]] = {}
    for block in material.blocks:
        place = block.dataset, block.pair
        records = block.subject.records if block.subject is not None and place not in found else []
        seeds = [curve for record in records if (curve := material.curve(record, KEY))]
        if seeds:
            mean = [statistics.fmean(values) for values in zip(*seeds, strict=False)]
            found[place] = block, mean
    return list(found.values())
