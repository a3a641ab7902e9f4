"""What an import came to: what matched, how the scores lie, and how good the teacher is."""

from typing import Any

from rcekd.reports.comparison import single
from rcekd.reports.table import Table


def overview(summary: dict[str, Any]) -> list[Table]:
    """The tables of an imported teacher, from its summary: ids, scale, metrics."""
    report = summary["imported"]
    metrics = single(summary, f"teacher, imported ({report['format']}, {_size(summary)})")
    return [_ids(summary), _scale(report), metrics]


def _size(summary: dict[str, Any]) -> str:
    unit = "factors" if summary["imported"]["form"] == "factors" else "items a list"
    return f"{summary['dim']} {unit}"


def _ids(summary: dict[str, Any]) -> Table:
    report = summary["imported"]
    columns = ("", "matched", "missing", "of them in train", "share of train's", "unknown to the dataset")
    rows: list[tuple[str, ...]] = []
    for side in ("users", "items"):
        counts = report[side]
        if side == "items" and report["form"] == "lists":  # an item that no list holds is not missing
            rows.append((side, f"{counts['matched']:,}", "–", "–", "–", f"{counts['unknown']:,}"))
            continue
        numbers = (f"{counts[key]:,}" for key in ("matched", "missing", "missing_trained"))
        rows.append((side, *numbers, f"{counts['missing_share']:.1%}", f"{counts['unknown']:,}"))
    return Table(f"ids, {summary['dataset']['name']}", columns, rows, list(report["notes"]))


def _scale(report: dict[str, Any]) -> Table:
    found = report["calibration"]
    rows = [("standard deviation of a user's scores", f"{found['spread']:.4g}")]
    for when, key in (("at temperature 1", "before"), ("at the proposed one", "after")):
        if found[key] is not None:
            rows.append((f"items the softmax spreads over, {when}", f"{found[key]['effective']:,.1f}"))
            rows.append((f"nats per validation item, {when}", f"{found[key]['nll']:.3f}"))
    rows.append(("nats per validation item, all items alike", f"{found['flat']:.3f}"))
    proposed = "none" if found["temperature"] is None else f"{found['temperature']:.4g}"
    rows.append(("temperature proposed", proposed))
    rows.append(("temperature applied", f"{report['temperature']:.4g}"))
    rows.append(("softmax over a user's top 50 that falls on training items", f"{report['seen_mass']:.1%}"))
    notes = [] if found["reason"] is None else [f"no temperature proposed: {found['reason']}"]
    if "lists" in report:
        lists = report["lists"]
        rows.append(("items outside a list score, below its last", f"{lists['floor_margin']:.3f}"))
        notes.append(
            f"{lists['entries']:,} list entries, {lists['dropped']:,} of items the dataset does not have, "
            f"{lists['seen_share']:.1%} of items their user trains on"
        )
        if lists["short"]:
            notes.append(f"{lists['short']:.1%} of users have under 20 items left to rank: their metrics are too low")
    return Table("scores", ("", "value"), rows, notes)
