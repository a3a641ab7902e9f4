"""The metric against one setting at a time, λ, β, K and L, with deviations over seeds (Figures 7 and 8)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rcekd.experiments.plan import Choice
from rcekd.reports.experiment.blocks import Row
from rcekd.reports.figures import style
from rcekd.reports.figures.material import Material, arrow

TITLE = (
    "Quality against one setting at a time, the others as the experiment has them; whiskers: standard deviation over "
    "seeds; dotted: the experiment's own value where that was run, a point of the line too"
)
SIGNS = {"method.lambda": "λ", "method.beta": "β", "method.K": "K", "method.L": "L"}
SPREAD = 20.0
"""From such a ratio of the greatest to the least value on, the axis is logarithmic."""


class Point(NamedTuple):
    """One setting at one value; usual: what it is in the variant without a label, None where the axis has no such."""

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
    if _logarithmic(values):
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter("{x:g}")
    if points[0].usual is not None:
        panel.axvline(points[0].usual, color=look["color"], linestyle=":", linewidth=0.9)


def _logarithmic(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) >= SPREAD


def _points(material: Material) -> Iterator[Point]:
    """Every variant of the method under test that moves one number, and on each line the one that moves none."""
    swept: dict[tuple[str, str, str], list[Point]] = {}
    for point in _moved_ones(material):
        swept.setdefault((point.dataset, point.pair, point.key), []).append(point)
    rows = _subjects(material)
    for (dataset, pair, key), points in swept.items():
        values, own = [point.value for point in points], rows.get((dataset, pair, ""))
        usual = _setting(own.records[0].settings, key) if own is not None else None
        if usual is not None and usual <= 0 and _logarithmic(values):
            usual = None  # it has no place on such an axis
        yield from (point._replace(usual=usual) for point in points)
        mean = own.mean(material.metric) if own is not None else None
        if own is not None and usual is not None and mean is not None and usual not in values:
            yield Point(dataset, pair, key, usual, mean, own.deviation(material.metric), usual)


def _subjects(material: Material) -> dict[tuple[str, str, str], Row]:
    """Dataset, pair and variant → the row of the method under test."""
    return {(b.dataset, b.pair, b.variant): b.subject for b in material.blocks if b.subject is not None}


def _moved_ones(material: Material) -> Iterator[Point]:
    """Every finished variant that moves one number, of the method under test."""
    variants = material.evidence.grid.variants if material.evidence.grid is not None else []
    moved = {variant.label: key for variant in variants if (key := _moved(variant)) is not None}
    for (dataset, pair, variant), row in _subjects(material).items():
        key, mean = moved.get(variant, ""), row.mean(material.metric)
        # As it was resolved: in the file 1e-3 is a text, and a number all the same.
        value = _setting(row.records[0].settings, key)
        if value is not None and mean is not None:
            yield Point(dataset, pair, key, value, mean, row.deviation(material.metric), None)


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
