"""Experiment folders whose cells have run folders, with curves and analyses of one's own."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.reports.experiment.folders import add_cell, add_plan

DATASETS, PAIRS = ("board", "garden"), ("mf-mf", "lightgcn-mf")
EPOCHS = 50
MOMENTS = (0, 1, 2, 4, 8, 10, 16, 32, 50)


def add_run(folder: Path, name: str, *, level: float, analysed: bool = True, key: str = "overlap") -> str:
    """A run folder beside the experiment, as far as figures read it; its path. key: what the overlap is called."""
    run = folder.parent / name
    run.mkdir(parents=True)
    mastered = [level * (1 - 0.9 ** (epoch + 1)) for epoch in range(EPOCHS)]
    lines = [json.dumps({"epoch": epoch, "loss": 1.0, key: value}) for epoch, value in enumerate(mastered)]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    if analysed:
        moments = [moment(epoch, level * (1 - 0.9**epoch)) for epoch in MOMENTS]
        (run / "analysis.json").write_text(json.dumps({"epochs": EPOCHS, "moments": moments}))
    return str(run)


def moment(epoch: int, mastered: float) -> dict[str, Any]:
    """A moment at which this share of the teacher's items is mastered on average."""
    edges = np.linspace(0, 1, 21)
    share = np.exp(-(((edges[:-1] + 0.025 - mastered) / 0.15) ** 2))
    rank = list(range(1, 201))
    return {
        "epoch": epoch,
        "share": epoch / EPOCHS,
        "train": {"ndcg@10": 0.6 * mastered},
        "su": {"mean": mastered, "edges": edges.tolist(), "share": (share / share.sum()).tolist()},
        "ov": {"all": 0.5 + 0.5 * mastered},
        "ranks": {
            "teacher_rank": rank,
            "student_rank_mean": [r + 900 * (1 - mastered) for r in rank],
            "student_rank_median": [r + 500 * (1 - mastered) for r in rank],
        },
    }


def worked(
    folder: Path, figures: list[str], *, seeds: int = 3, analysed: bool = True, places: int = 2, **plan: Any
) -> Path:
    """Teacher, student alone, ce and rcekd on datasets and pairs, two of each or one."""
    datasets, pairs = DATASETS[:places], PAIRS[:places]
    add_plan(folder, figures=figures, datasets=[*datasets], pairs=[*pairs], **plan)
    levels = {"teacher": 0.4, "none": 0.2, "ce": 0.3, "rcekd": 0.36}
    for seed in range(seeds):
        for dataset in datasets:
            for pair in pairs:
                for method, level in levels.items():
                    name = f"cell-{dataset}-{pair}-{method}-{seed}"
                    run = add_run(folder, name, level=2 * level + 0.01 * seed, analysed=analysed)
                    value = level + 0.004 * ((seed * 7 + len(method)) % 5)
                    add_cell(folder, method, value, seed=seed, dataset=dataset, pair=pair, run_dir=run)
    return folder


def swept(folder: Path) -> Path:
    """RCE-KD at several values of λ and K."""
    steps = {"λ": ("method.lambda", (0.5, 10, 500, 10000)), "K": ("method.K", (10, 50, 100))}
    variants: list[Any] = [""]
    for sign, (key, values) in steps.items():
        variants += [{"label": f"{sign} = {value}", "set": {key: value}} for value in values]
    add_plan(folder, figures=["sensitivity"], methods=["rcekd"], variants=variants, seeds=[0, 1], pairs=[*PAIRS])
    for pair in PAIRS:
        for place, variant in enumerate(variants):
            label, moved = (variant["label"], variant["set"]) if variant else ("", {})
            method = {"name": "rcekd", "lambda": 10, "K": 50}
            method |= {key.removeprefix("method."): value for key, value in moved.items()}
            for seed in (0, 1):
                value = 0.3 + 0.01 * (place % 4) + 0.003 * seed + 0.02 * (pair == "mf-mf")
                settings = {"method": method}
                add_cell(folder, "rcekd", value, seed=seed, pair=pair, variant=label, settings=settings)
    return folder
