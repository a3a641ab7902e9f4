"""Experiment folders as `rcekd run` leaves them, with numbers of one's own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")
USERS = 40
SETTINGS = {
    "dataset": "board", "data": {"split": "random"}, "teacher": {"model": "mf", "dim": 40},
    "student": {"model": "mf", "dim": 4}, "train": {"epochs": 9}, "eval": {"mask": "train", "users": "all"},
}  # fmt: skip


def add_cell(
    folder: Path,
    method: str,
    value: float,
    *,
    seed: int = 0,
    dataset: str = "board",
    pair: str = "mf-mf",
    variant: str = "",
    per_user: bool = True,
    settings: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Add a finished cell whose metrics are `value`, a little more for each. changes: of the summary, a.b as a__b."""
    generator = np.random.default_rng([seed, *method.encode()])
    users = {}
    for place, name in enumerate(METRICS):
        raw = generator.random(USERS) + 0.5
        users[name] = (raw * (value + place / 100) / raw.mean()).astype(np.float32)
    cell = "-".join([dataset, pair, method, variant, str(seed)]).replace("/", "")
    labels = {"dataset": dataset, "pair": pair, "method": method, "variant": variant, "seed": seed}
    own = {**SETTINGS, "method": {"name": method}, "seed": seed, **(settings or {})}
    summary = _summary(dataset, seed, method == "teacher")
    summary["test"] = {name: float(value_U.astype(np.float64).mean()) for name, value_U in users.items()}
    for key, change in changes.items():
        *path, last = key.split("__")
        node = summary
        for part in path:
            node = node[part]
        node[last] = change
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    file = folder / "cells" / f"{cell}.json"
    file.write_text(json.dumps({"id": cell, "labels": labels, "settings": own, "summary": summary}))
    if per_user:
        np.savez_compressed(file.with_suffix(".npz"), **users)
    return file


def _summary(dataset: str, seed: int, teacher: bool) -> dict[str, Any]:
    data = {
        "name": dataset, "users": USERS, "items": 50, "train": 900, "valid": 60, "test": 90, "split": "random",
        "fingerprint": f"{dataset:f<64}", "cold_test_share": 0.735,
    }  # fmt: skip
    dim = 40 if teacher else 4
    return {
        "run_dir": f"runs/some-run-{seed}", "dataset": data, "protocol": {"mask": "train", "users": "all"},
        "model": "mf", "dim": dim, "parameters": 90 * dim, "epochs": 9, "best_epoch": 5, "seconds_per_epoch": 0.25,
        "training_peak_rss_bytes": 300 << 20, "commit": "a1b2c3d",
        "versions": {"rcekd": "0.1.0", "python": "3.11", "torch": "2.13", "machine": "big iron"},
    }  # fmt: skip


def add_failure(
    folder: Path, method: str, error: str, *, seed: int = 0, dataset: str = "board", variant: str = ""
) -> None:
    (folder / "failed").mkdir(parents=True, exist_ok=True)
    labels = {"dataset": dataset, "pair": "mf-mf", "method": method, "variant": variant, "seed": seed}
    cell = f"f-{dataset}-{method}-{variant}-{seed}"
    (folder / "failed" / f"{cell}.json").write_text(json.dumps({"id": cell, "labels": labels, "error": error}))


def add_plan(folder: Path, **values: Any) -> None:
    """An experiment.yaml whose dataset no version knows, so that every cell stands where its labels put it."""
    plan = {
        "name": "try",
        "title": "A try",
        "datasets": ["board"],
        "methods": ["none", "rcekd"],
        "seeds": [0],
        **values,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "experiment.yaml").write_text(yaml.safe_dump(plan))


def whole(folder: Path, seeds: int = 5) -> Path:
    """Teacher, student alone, two baselines and rcekd over some seeds."""
    levels = {"teacher": 0.4, "none": 0.2, "de": 0.25, "rrd": 0.3, "rcekd": 0.36}
    for seed in range(seeds):
        for place, (method, level) in enumerate(levels.items()):
            add_cell(folder, method, level + 0.002 * ((seed * (place + 3)) % 5), seed=seed)
    return folder
