"""How figures look, and how they are written: for print, and for every kind of colour vision."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from rcekd.errors import InputError
from rcekd.extras import require
from rcekd.reports.experiment.blocks import Block
from rcekd.reports.pictures import COLOURS
from rcekd.training.files import write_bytes

Content = TypeVar("Content")
HUES = COLOURS[:6]
LINES = ("-", "--", "-.", ":", (0, (4, 1.3, 1, 1.3, 1, 1.3)))
MARKS = ("o", "s", "^", "D", "v", "P", ">")
"""Six colours, five lines, seven markers: no two periods have a factor in common, so that 210 lines look different."""
FAINT = "#999999"
NO_WIDTH = "\N{ZERO WIDTH SPACE}"
# What a PNG has per inch, and what one panel measures in inches.
DOTS, WIDTH, HEIGHT = 200, 2.9, 2.3
COLUMN = 1.5  # inches of a legend's column
SETTINGS = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.7,
    "axes.grid": True, "axes.grid.axis": "y", "axes.axisbelow": True, "grid.color": "#dddddd", "grid.linewidth": 0.6,
    "lines.linewidth": 1.3, "lines.markersize": 3.5, "legend.frameon": False, "hatch.linewidth": 0.6,
    "svg.hashsalt": "rcekd",
}  # fmt: skip


@contextmanager
def styled() -> Iterator[None]:
    """Within the block, matplotlib draws in our style; what the caller has set elsewhere stays."""
    with require("matplotlib", "report").rc_context(SETTINGS):
        yield


def panels(rows: int, columns: int, *, width: float = WIDTH, height: float = HEIGHT) -> tuple[Any, list[list[Any]]]:
    """A figure and its axes, [rows][columns]."""
    figure = require("matplotlib.figure", "report").Figure(
        figsize=(width * columns + 0.4, height * rows + 0.4), layout="constrained"
    )
    return figure, [list(line) for line in figure.subplots(rows, columns, squeeze=False)]


def tiled(blocks: Sequence[Block], *, width: float, height: float) -> tuple[Any, list[list[Any]], list[Any]]:
    """A figure, its axes, and the panel of each block: a column per dataset, or three columns where there is one."""
    datasets = list(dict.fromkeys(block.dataset for block in blocks))
    if len(datasets) == 1:
        columns = min(3, len(blocks))
        places = [divmod(place, columns) for place in range(len(blocks))]
    else:
        columns, lines = len(datasets), list(dict.fromkeys((block.pair, block.variant) for block in blocks))
        places = [(lines.index((block.pair, block.variant)), datasets.index(block.dataset)) for block in blocks]
    figure, axes = panels(1 + max(line for line, _ in places), columns, width=width, height=height)
    for line, row in enumerate(axes):
        for column, panel in enumerate(row):
            panel.set_visible((line, column) in places)
    return figure, axes, [axes[line][column] for line, column in places]


def one_each(
    shown: Sequence[tuple[Block, Content]],
    draw: Callable[[Any, Block, Content], None],
    *,
    title: Callable[[Block], str],
    down: str,
    across: str = "",
    width: float = WIDTH,
    height: float = HEIGHT,
) -> Any | None:
    """A figure with a panel for each block, which `draw` fills with what belongs to it; None where there is no block.

    down, across: what the axes are called, the vertical one in the first column alone.
    """
    if not shown:
        return None
    figure, axes, panels = tiled([block for block, _ in shown], width=width, height=height)
    for panel, (block, content) in zip(panels, shown, strict=True):
        draw(panel, block, content)
        panel.set_title(plain(title(block)))
        panel.set_xlabel(across)
    for line in axes:
        line[0].set_ylabel(down)
    common_legend(figure, axes)
    return figure


def plain(text: str) -> str:
    """Somebody's name as it is: for matplotlib two $ begin and end mathematics, and a leading _ hides a label."""
    shown = " ".join(text.split()).replace("$", r"\$")
    return f"{NO_WIDTH}{shown}" if shown.startswith("_") else shown


def line_style(place: int) -> dict[str, Any]:
    """Colour, line and marker of the line number `place`: the latter two tell 35 lines apart in print."""
    return {
        "color": HUES[place % len(HUES)],
        "linestyle": LINES[place % len(LINES)],
        "marker": MARKS[place % len(MARKS)],
    }


def common_legend(figure: Any, axes: Sequence[Sequence[Any]]) -> None:
    """One legend above all panels, every label once, in as many columns as the figure is wide for."""
    found: dict[str, Any] = {}
    for line in axes:
        for panel in line:
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
                found.setdefault(label, handle)
    if found:
        columns = min(len(found), max(1, int(figure.get_figwidth() / COLUMN)))
        figure.legend(list(found.values()), list(found), loc="outside upper center", ncols=columns, handlelength=4.0)


def save(figure: Any, folder: Path, name: str, caption: str) -> list[Path]:
    """Write the figure as SVG (its title is the caption), PDF and PNG; the same bytes for the same figure.

    InputError where there can be no such folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot draw figures here ({error.strerror}); give --to DIR") from error
    kinds: dict[str, dict[str, Any]] = {
        "svg": {"metadata": {"Title": caption, "Date": None}},
        "pdf": {"metadata": {"Title": caption, "CreationDate": None}},
        "png": {"dpi": DOTS, "metadata": {"Title": caption}},
    }
    made = []
    for kind, options in kinds.items():
        drawn = io.BytesIO()
        figure.savefig(drawn, format=kind, **options)
        made.append(folder / f"{name}.{kind}")
        write_bytes(made[-1], drawn.getvalue())
    return made
