"""How s_u is spread over the users at the beginning, middle and end of training (Figure 10)."""

from typing import Any

from rcekd.reports.experiment.blocks import Block, Row
from rcekd.reports.figures import style
from rcekd.reports.figures.captions import moments_taken, users_drawn
from rcekd.reports.figures.material import BEGIN, END, MIDDLE, Material, moment_at, panel_title

TITLE = (
    "Share of the users by s_u, the share of the teacher's top K in the student's (eq. 37), at the beginning, middle "
    "and end of training; of the first seed that has been analysed"
)
MOMENTS = ((BEGIN, "beginning", "#56B4E9", ":"), (MIDDLE, "middle", "#E69F00", "--"), (END, "end", "#0072B2", "-"))


def draw(material: Material) -> Any | None:
    """A panel per dataset and pair; None where no run of the method under test has been analysed."""
    found = _shown(material)
    seeds = {block.title: seed for block, seed, _ in found}

    def title(block: Block) -> str:
        return f"{panel_title(block)}, seed {seeds[block.title]}"

    shown = [(block, analysis) for block, _, analysis in found]
    return style.one_each(shown, _panel, title=title, across="$s_u$", down="share of the users")


def told(material: Material) -> list[str]:
    """The moments and the users that the panels are of."""
    found = [(block, [analysis]) for block, _, analysis in _shown(material)]
    wanted = [(name, share) for share, name, *_ in MOMENTS]
    return moments_taken([analysis for _, (analysis,) in found], wanted) + users_drawn(found)


def _shown(material: Material) -> list[tuple[Block, int, dict[str, Any]]]:
    """The blocks that have a panel, each with the seed and what was found of it."""
    firsts = [(block, _first(material, block.subject)) for block in material.blocks if block.subject is not None]
    return [(block, *first) for block, first in firsts if first is not None]


def _first(material: Material, row: Row) -> tuple[int, dict[str, Any]] | None:
    """The first seed that has been analysed, and what was found."""
    pairs = zip(row.seeds, row.records, strict=True)
    return next(((seed, found) for seed, one in pairs if (found := material.analysis(one)) is not None), None)


def _panel(panel: Any, block: Block, analysis: dict[str, Any]) -> None:
    del block
    for share, name, colour, line in MOMENTS:
        moment = moment_at(analysis, share)
        if moment is not None and moment["su"] is not None:
            edges, users = moment["su"]["edges"], moment["su"]["share"]
            panel.stairs(users, edges, color=colour, linestyle=line, linewidth=1.3, label=name)
            panel.stairs(users, edges, color=colour, alpha=0.12, fill=True)
    panel.set_xlim(0, 1)
    panel.set_ylim(bottom=0)
