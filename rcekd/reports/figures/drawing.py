"""Every figure that an experiment asks for, drawn into its folder, with captions that say what they are of."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from rcekd.experiments.plan import FIGURES
from rcekd.reports.experiment.blocks import Block
from rcekd.reports.figures import ablation, histogram, methods, overlap, ranks, sensitivity, style, train_ndcg
from rcekd.reports.figures.material import Material

FOLDER = "figures"


class Kind(NamedTuple):
    """A kind of figure: what it shows, and who draws it."""

    title: str
    draw: Callable[[Material], Any | None]
    told: Callable[[Material], list[str]] | None = None
    """What a caption adds to the title, by what there is to be shown."""


_KINDS = (
    Kind(methods.TITLE, methods.draw),
    Kind(ablation.TITLE, ablation.draw),
    Kind(ranks.TITLE, ranks.draw, ranks.told),
    Kind(train_ndcg.TITLE, train_ndcg.draw),
    Kind(sensitivity.TITLE, sensitivity.draw),
    Kind(overlap.TITLE, overlap.draw, overlap.told),
    Kind(histogram.TITLE, histogram.draw, histogram.told),
)
KINDS: Mapping[str, Kind] = MappingProxyType(dict(zip(FIGURES, _KINDS, strict=True)))


def draw_figures(material: Material, folder: Path) -> list[Path]:
    """Draw into `folder` what the grid asks for; what has nothing to show yet is left out.

    Returns the files, SVG first of each. InputError where they cannot be written.
    """
    wanted = [name for name in material.evidence.grid.figures if name in KINDS] if material.evidence.grid else []
    made: list[Path] = []
    for name in wanted:
        with style.styled():
            figure = KINDS[name].draw(material)
            if figure is not None:
                made += style.save(figure, folder, name, _caption(KINDS[name], material))
    return made


def _caption(kind: Kind, material: Material) -> str:
    """What it shows, then the experiment, the protocol and the seeds."""
    name = material.evidence.name
    words = "; ".join([kind.title, *(kind.told(material) if kind.told is not None else [])])
    return f"{words}. Experiment {name}: {material.evidence.title}. {'; '.join(_protocols(material.blocks))}."


def _protocols(blocks: Sequence[Block]) -> list[str]:
    """A phrase per dataset: split, what is masked, and the seeds."""
    found: dict[str, str] = {}
    for block in blocks:
        if block.records and block.dataset not in found:
            data, protocol = block.records[0].summary.dataset, block.records[0].summary.protocol
            seeds = sorted({seed for b in blocks if b.dataset == block.dataset for row in b.rows for seed in row.seeds})
            who = "all users" if protocol.users == "all" else "users with a target"
            found[block.dataset] = (
                f"{data.name}, split {data.split}, all items ranked, {protocol.mask} items masked, {who}, "
                f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
            )
    return list(found.values())
