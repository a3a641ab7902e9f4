"""summary.json: what a run came to, what it was judged by, and what it cost."""

import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from rcekd.config import RunSettings
from rcekd.datasets import Interactions
from rcekd.experiments.machine import machine
from rcekd.models import Backbone
from rcekd.training.loop import Trained


def dataset_part(data: Interactions) -> dict[str, Any]:
    """Name, sizes, split, and the share of test pairs whose item was never trained on."""
    counts = data.counts()
    kept = ("users", "items", "train", "valid", "test", "cold_test_share")
    told: dict[str, Any] = {"name": data.name, "split": data.split, "fingerprint": data.fingerprint}
    told |= {key: counts[key] for key in kept}
    if data.features:
        told["features"] = {name: features.summary() for name, features in data.features.items()}
    return told


def run_summary(
    kind: str,
    run_dir: str,
    settings: RunSettings,
    data: Interactions,
    seed: int,
    trained: Trained,
    costs: dict[str, Any],
) -> dict[str, Any]:
    """The part that all kinds of run share. Seconds are wall-clock, per epoch the median over epochs.

    costs: where it ran, and peak memory.
    """
    return {
        "kind": kind,
        "run_dir": run_dir,
        "dataset": dataset_part(data),
        "seed": seed,
        "epochs": trained.epochs,
        "best_epoch": trained.best_epoch,
        "seconds_per_epoch": trained.seconds_per_epoch,
        "seconds_total": trained.seconds_total,
        "phases": trained.phases,
        **costs,
        "protocol": settings.eval.model_dump(mode="json"),
        "valid": trained.metrics["valid"],
        "test": trained.metrics["test"],
        "versions": versions(),
    }


def model_part(summary: dict[str, Any]) -> dict[str, Any]:
    """One row of the comparison: a model, its size, its metrics and its cost."""
    cost = ("run_dir", "epochs", "best_epoch", "seconds_per_epoch", "training_peak_rss_bytes")
    return {key: summary[key] for key in ("model", "dim", "parameters", *cost, "valid", "test")}


def describe(model: Backbone) -> dict[str, Any]:
    """A model's name and size."""
    return {"model": model.name, "dim": model.dim, "parameters": model.parameter_count()}


def versions() -> dict[str, str]:
    """What the numbers were made with, and on."""
    try:
        own = version("rcekd")
    except PackageNotFoundError:
        own = "unknown"
    return {
        "rcekd": own,
        **({"commit": commit} if (commit := code_commit()) else {}),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "machine": f"{machine()}, {torch.get_num_threads()} threads",
    }


@cache
def code_commit() -> str | None:
    """The commit of the checkout this package is run from, with `+` where files differ from it; None elsewhere."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    git = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
