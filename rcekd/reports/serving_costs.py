"""What serving costs, as a table and as a picture."""

from pathlib import Path
from typing import Any

from rcekd.extras import require
from rcekd.reports.pictures import COLOURS
from rcekd.reports.table import Table

# The marker says again what the colour says.
STYLES = {
    "teacher": (COLOURS[0], "s"),
    "imported": (COLOURS[0], "D"),
    "alone": (COLOURS[1], "^"),
    "distill": (COLOURS[2], "o"),
}
_OTHER = (COLOURS[3], "v")


def costs(result: dict[str, Any]) -> Table:
    """A row for every model, engine and number of threads."""
    rows = []
    for model in result["models"]:
        for number, engine in enumerate(model["engines"]):
            first = number == 0
            rows.append(
                (
                    model["label"] if first else "",
                    f"{model['test']['ndcg@10']:.4f}" if first else "",
                    _mega(model["disk_bytes"]) if first else "",
                    _mega(model["resident_bytes"]) if first else "",
                    engine["engine"],
                    str(engine["threads"]),
                    *(f"{engine[key]:.3f}" for key in ("p50", "p95", "p99")),
                    f"{engine['users_per_second']:,.0f}",
                    f"{engine['recall']:.1%}",
                )
            )
    size = ("test ndcg@10", "MB on disk", "MB in memory")
    speed = ("scan", "threads", "p50 ms", "p95 ms", "p99 ms", "users/s", f"recall@{result['top']}")
    return Table(f"serving, {result['dataset']}, top {result['top']}", ("model", *size, *speed), rows, _notes(result))


def _mega(size: int) -> str:
    return f"{size / 1e6:.2f}"


def _notes(result: dict[str, Any]) -> list[str]:
    return [
        f"milliseconds: one user at a time, {result['requests']} requests; users/s: batches of {result['batch']}",
        f"memory: what loading the model adds to a process that serves; known items left out: {result['seen']}",
        "exact: the native scan of all items; index: usearch, recall against the exact lists",
        f"on {result['machine']}, torch {result['torch']}",
    ]


def draw(result: dict[str, Any], path: Path) -> None:
    """Quality against memory, and against one user's latency on one thread, into a picture (.svg, .png or .pdf)."""
    figure = require("matplotlib.figure", "plots", otherwise="leave --plot out").Figure(figsize=(9, 4))
    memory, speed = figure.subplots(1, 2, sharey=True)
    for model in result["models"]:
        quality, (colour, marker) = model["test"]["ndcg@10"], STYLES.get(model["kind"], _OTHER)
        style = {"color": colour, "marker": marker, "markersize": 9, "linestyle": "none"}
        memory.plot(model["disk_bytes"] / 1e6, quality, label=model["label"], **style)
        for engine in model["engines"]:
            if engine["threads"] == 1:
                hollow = {"markerfacecolor": "none"} if engine["engine"] == "index" else {}
                speed.plot(engine["p50"], quality, **style, **hollow)
                if hollow:  # the quality is the exact lists': what the index misses of them stands beside it
                    place = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "fontsize": 7}
                    speed.annotate(f"{engine['recall']:.0%}", (engine["p50"], quality), **place)
    for axes, title in ((memory, "model on disk, MB"), (speed, "one user's list, median ms on one thread")):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel(title)
        axes.margins(x=0.25, y=0.25)
        axes.grid(True, which="major", alpha=0.3)
    memory.set_ylabel("test NDCG@10")
    memory.legend(frameon=False, fontsize=9, loc="best")
    speed.set_title("filled: exact scan; hollow: index, with its recall", fontsize=9, loc="right")
    memory.set_title(result["dataset"], fontsize=10, loc="left")
    figure.tight_layout()
    figure.savefig(path, dpi=150)
