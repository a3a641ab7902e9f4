"""A profile as a table, and as a picture of the epoch from left to right."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rcekd.extras import require
from rcekd.reports.pictures import COLOURS
from rcekd.reports.table import Table

# They say in print what the colours say.
HATCHES = ("", "//", "", "..", "\\\\", "", "xx", "")


def profile_table(found: dict[str, Any]) -> Table:
    """A row for every phase of the epoch, then the epoch."""
    peaks = found["peaks"]
    rows = []
    for name, phase in found["phases"].items():
        rates = ("", "", "", "")
        if phase["flops"] or phase["bytes"]:
            rates = (
                f"{phase['gflop_per_s']:.1f}",
                f"{1e9 * phase['gflop_per_s'] / peaks['flops']:.0%}",
                f"{phase['gb_per_s']:.1f}",
                f"{1e9 * phase['gb_per_s'] / peaks['bytes']:.0%}",
            )
        rows.append((name, f"{1e3 * phase['seconds']:.1f}", f"{phase['share']:.0%}", *rates))
    whole, phased = (f"{1e3 * found[key]:.1f}" for key in ("seconds_per_epoch", "phased_seconds_per_epoch"))
    rows.append(("epoch, phase by phase" if _is_phased(found) else "epoch", phased, "100%", "", "", "", ""))
    if _is_phased(found):
        rows.append(("epoch", whole, "", "", "", "", ""))
    columns = ("phase", "ms", "share", "GFLOP/s", "of peak", "GB/s", "of peak")
    return Table(f"{_subject(found)}: one epoch", columns, rows, _notes(found))


def draw(found: dict[str, Any], path: Path) -> None:
    """The epoch as one bar and its phases below it, each as wide as the time it takes."""
    figure = require("matplotlib.figure", "plots", otherwise="leave --plot out").Figure(figsize=(10, 3.2))
    axes = figure.subplots()
    whole = 1e3 * found["phased_seconds_per_epoch"]
    axes.barh(1, whole, height=0.8, color="#DDDDDD", edgecolor="black")
    how = "epoch, phase by phase" if _is_phased(found) else "epoch"
    axes.text(whole / 2, 1, f"{how}, {whole:.0f} ms", ha="center", va="center")
    left = 0.0
    for number, (name, phase) in enumerate(found["phases"].items()):
        width = 1e3 * phase["seconds"]
        look = {"color": COLOURS[number % len(COLOURS)], "hatch": HATCHES[number % len(HATCHES)]}
        axes.barh(0, width, left=left, height=0.8, edgecolor="black", label=f"{name}, {width:.1f} ms", **look)
        left += width
    axes.set_yticks([])
    axes.set_xlabel("milliseconds")
    axes.set_title(_subject(found), loc="left", parse_math=False)
    axes.set_xlim(0, max(left, whole))
    axes.legend(ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.25), frameon=False, fontsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, bbox_inches="tight", dpi=150)


def _subject(found: dict[str, Any]) -> str:
    student = f"{found['student']['model']} {found['student']['dim']}"
    if found["teacher"] is None:
        return f"{found['dataset']['name']}, {student} alone"
    teacher = f"{found['teacher']['model']} {found['teacher']['dim']}"
    return f"{found['dataset']['name']}, {teacher} → {student}, {found['method']}"


def _is_phased(found: dict[str, Any]) -> bool:
    """On a GPU an epoch is measured as it is, and another one phase by phase, which takes longer."""
    return bool(found["device"] != "cpu")


def _notes(found: dict[str, Any]) -> list[str]:
    peaks, spread = found["peaks"], (min(found["epoch_seconds"]), max(found["epoch_seconds"]))
    on_device = found["peak_device_bytes"]
    notes = [
        f"means of {found['epochs']} epochs after {found['warmup']}, which took {spread[0]:.3f} to {spread[1]:.3f} s, "
        f"median {found['seconds_per_epoch']:.3f}; peak memory {found['epochs_peak_rss_bytes'] / 2**20:.0f} MiB"
        + (f", and {on_device / 2**20:.0f} MiB of the GPU's" if on_device is not None else "")
    ]
    if _is_phased(found):
        notes.append(
            f"on {found['device']}; every phase waits for what it has queued, and no step is played from a recording, "
            f"so an epoch is slower phase by phase; the last row is the median of {found['epochs']} epochs as they are"
        )
    whose = found["device"] if _is_phased(found) else f"{found['machine']}, {found['threads']} threads"
    notes += [
        f"{whose}; its peaks, measured just now: {peaks['flops'] / 1e9:.0f} GFLOP/s (torch's matrix product), "
        f"{peaks['bytes'] / 1e9:.0f} GB/s (a copy)",
        "GFLOP and GB are what the native operations' mathematics needs once; caches can beat the copy"
        + (", and tensor cores the product" if _is_phased(found) else ""),
    ]
    return notes + _on_teachers([found])


def _on_teachers(profiles: Sequence[dict[str, Any]]) -> list[str]:
    """A note on teachers that were trained for the measurement."""
    briefly = {found["teacher"]["is"] for found in profiles if found["teacher"] is not None} - {"trained"}
    return [f"a teacher was {how} for this; costs hardly depend on how good it is" for how in sorted(briefly)]


def bench_line(entry: dict[str, Any]) -> str:
    """One line about a cell that has been timed."""
    seconds = entry["profile"]["seconds_per_epoch"]
    return f"{entry['dataset']} {entry['pair']} {entry['method']}: {seconds:.3f} s an epoch"


def bench_table(found: dict[str, Any]) -> Table:
    """A row per method: seconds per epoch with their spread, the ratio to the student alone, peak memory."""
    rows: list[tuple[str, ...]] = []
    told = any(cell["paper"] for cell in found["cells"])
    for cell in found["cells"]:
        spread = f"{min(cell['epoch_seconds']):.3f} to {max(cell['epoch_seconds']):.3f}"
        ratio = "–" if cell["ratio"] is None else f"{cell['ratio']:.1f}"
        name = "student alone" if cell["method"] == "none" else cell["method"]
        on_device = cell.get("peak_device_bytes")
        memory = f"{(cell['peak_rss_bytes'] if on_device is None else on_device) / 2**20:.0f}"
        own = (cell["dataset"], cell["pair"], name, f"{cell['seconds_per_epoch']:.3f}", spread, ratio, memory)
        rows.append(own + (_paper(cell["paper"]) if told else ()))
    first = found["cells"][0]["profile"]
    notes = [
        f"{found['machine']}, {first['threads']} threads; median and range of {first['epochs']} epochs after "
        f"{first['warmup']}, evaluation on the validation set included; peak memory "
        + ("of the whole process" if first.get("device", "cpu") == "cpu" else f"of the GPU, {first['device']}")
    ]
    notes += _on_teachers([cell["profile"] for cell in found["cells"]])
    columns: tuple[str, ...] = ("dataset", "pair", "method", "s/epoch", "range", "× alone", "peak MiB")
    if told:
        columns += ("paper s", "paper × alone", "paper GB")
        notes.append(
            "paper: Tables 2 and 3, seconds per epoch and memory of one RTX 3090, on its own release of the data; only "
            "the ratios compare"
        )
    return Table("seconds per epoch and peak memory", columns, rows, notes)


def _paper(costs: dict[str, float] | None) -> tuple[str, str, str]:
    """The paper's seconds, ratio and memory, where it tells them."""
    if costs is None:
        return "–", "–", "–"
    return f"{costs['seconds_per_epoch']:.2f}", f"{costs['ratio']:.1f}", f"{costs['gpu_gigabytes']:.2f}"
