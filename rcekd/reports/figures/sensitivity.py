"""The metric against one setting at a time, λ, β, K and L, with deviations over seeds (Figures 7 and 8)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rcekd.experiments.plan import Choice
from rcekd.reports.figures import style
from rcekd.reports.figures.material import Material, arrow

TITLE = (
    "Quality against one setting at a time, the others as the preset has them; whiskers: standard deviation over "
    "seeds; dotted: the preset's value"
)
SIGNS = {"method.lambda": "λ", "method.beta": "β", "method.K": "K", "method.L": "L"}
SPREAD = 20.0
"""From such a ratio of the greatest to the least value on, the axis is logarithmic."""


class Point(NamedTuple):
    """One setting at one value; usual: what it is where nothing is moved, None where that was not run."""

    dataset: str
    pair: str
    key: str
    value: float
    mean: float
    deviation: float | None
    usual: float | None


def draw(material: Material) -> Any | None:
    """A row of panels per dataset, a column per setting, a line per pair; None where nothing is finished."""
    points = list(_points(material))
    if not points:
        return None
    datasets, keys = (list(dict.fromkeys(names)) for names in ([p.dataset for p in points], [p.key for p in points]))
    pairs = list(dict.fromkeys(p.pair for p in points))
    figure, axes = style.panels(len(datasets), len(keys), width=2.4)
    for line, dataset in zip(axes, datasets, strict=True):
        for panel, key in zip(line, keys, strict=True):
            for place, pair in enumerate(pairs):
                found = sorted(p for p in points if (p.dataset, p.key, p.pair) == (dataset, key, pair))
                _line(panel, found, style.line_style(place), style.plain(arrow(pair)))
            panel.set_xlabel(SIGNS.get(key, key))
            panel.set_title(style.plain(dataset))
        line[0].set_ylabel(f"test {material.metric.upper()}")
    style.common_legend(figure, axes)
    return figure


def _line(panel: Any, points: Sequence[Point], look: dict[str, Any], label: str) -> None:
    if not points:
        return
    values = [point.value for point in points]
    spread = [point.deviation or 0.0 for point in points]
    panel.errorbar(values, [p.mean for p in points], yerr=spread, **look, capsize=2, elinewidth=0.9, label=label)
    if values[0] > 0 and values[-1] / values[0] >= SPREAD:
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter("{x:g}")
    if points[0].usual is not None:
        panel.axvline(points[0].usual, color=look["color"], linestyle=":", linewidth=0.9)


def _points(material: Material) -> Iterator[Point]:
    """Every finished variant that moves one number, of the method under test."""
    variants = material.evidence.grid.variants if material.evidence.grid is not None else []
    moved = {variant.label: key for variant in variants if (key := _moved(variant)) is not None}
    rows = {(b.dataset, b.pair, b.variant): b.subject for b in material.blocks if b.subject is not None}
    for (dataset, pair, variant), row in rows.items():
        key, mean = moved.get(variant, ""), row.mean(material.metric)
        # As it was resolved: in the file 1e-3 is a text, and a number all the same.
        value = _setting(row.records[0].settings, key)
        if value is not None and mean is not None:
            usual = rows.get((dataset, pair, ""))
            given = _setting(usual.records[0].settings, key) if usual is not None else None
            yield Point(dataset, pair, key, value, mean, row.deviation(material.metric), given)


def _moved(variant: Choice) -> str | None:
    """The dotted key of the one setting that a variant moves."""
    keys = list(_keys(variant.set))
    return keys[0] if len(keys) == 1 else None


def _keys(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def _setting(settings: Mapping[str, Any], key: str) -> float | None:
    """A setting that is a number."""
    node: Any = settings
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return float(node) if isinstance(node, int | float) and not isinstance(node, bool) else None
