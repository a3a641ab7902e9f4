"""Features of items from end to end: made, looked at, read by BM3, handed on to a student, and part of who a run is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.flows.conftest import Outcome, assignments

Command = Callable[..., Outcome]
ITEMS = 80


@pytest.fixture
def file(rcekd: Command) -> Path:
    """Vectors for all items but five, by a file of the command's own making."""
    return made(rcekd, "image", seed=1)


def made(rcekd: Command, name: str, seed: int) -> Path:
    generator = np.random.default_rng(seed)
    np.save("vectors.npy", generator.normal(size=(ITEMS, 6)))
    Path("ids.txt").write_text("".join(f"{item}\n" for item in range(5, ITEMS + 5)))
    done = rcekd("data", "features", f"{name}.parquet", "--vectors", "vectors.npy", "--item-ids", "ids.txt", "--quiet")
    assert done.code == 0, done.err
    return Path(f"{name}.parquet")


def train(rcekd: Command, model: str, *files: Path) -> Outcome:
    features = [f"data.features.{path.stem}={path}" for path in files]
    words = [word for setting in features for word in ("--set", setting)]
    small = assignments(method__K=None, method__L=None)
    start = ["train-teacher", "--dataset", "synthetic", "--teacher", model, "--json", "--threads", 1]
    return rcekd(*start, *small, *words)


def summary(done: Outcome) -> dict[str, Any]:
    assert done.code == 0, done.err
    return done.result


def test_what_the_command_tells(rcekd: Command) -> None:
    """Items 1 and 2 of the dataset have no tag of their own, 500 is not in it."""
    lines = [[item for item in range(ITEMS) if item % tag == 0 and item not in (1, 2)] + [500] for tag in (1, 2, 3)]
    Path("tags.dat").write_text("".join(f"{len(items)} {' '.join(map(str, items))}\n" for items in lines))
    small = assignments(method__K=None, method__L=None)
    data = [word for word in small if "synthetic" in word]
    words = [part for setting in data for part in ("--set", setting)]
    done = rcekd(
        "data", "features", "t.parquet", "--tags", "tags.dat", "--width", 3, "--dataset", "synthetic", "--json", *words
    )
    assert done.result == {
        "file": "t.parquet",
        "items": 79,
        "width": 3,
        "items_of_the_dataset": 80,
        "of_these_without_features": 2,
        "missing_share": 0.025,
        "features_of_unknown_items": 1,
    }
    told = rcekd("data", "info", "synthetic", "--json", "--set", "data.features.tags=t.parquet", *words).result
    assert told["features"]["tags"].items() >= {"width": 3, "missing": 2, "missing_share": 0.025}.items()
    assert "features" not in rcekd("data", "info", "synthetic", "--json", *words).result


def test_bm3_teaches(rcekd: Command, distill: Command, file: Path) -> None:
    """By every method that asks for something of its own: its lists, its modalities, its moments, itself."""
    text = made(rcekd, "text", seed=2)
    given = [part for path in (file, text) for part in ("--set", f"data.features.{path.stem}={path}")]
    teachers = set()
    for method, changes in [
        ("rcekd", {}),
        ("promptmm", {"method__parts": "whole", "method__N": 5, "method__K": None, "method__L": None}),
        ("hetcomp", {"method__L": None}),
        ("bd", {"method__K": None, "method__L": None}),
        ("tarec", {}),
    ]:
        done = distill("--teacher", "bm3", "--method", method, *given, **changes)
        assert done.code == 0, done.err
        teacher = done.result["teacher"]
        assert (teacher["model"], teacher["dim"]) == ("bm3", 8)
        teachers.add(teacher["run_dir"])
    assert len(teachers) == 1
    assert done.result["dataset"]["features"].keys() == {"image", "text"}
    assert rcekd("evaluate", *teachers, "--json").code == 0
    assert rcekd("recommend", *teachers, "--users", "0,1", "--json").code == 0
    assert rcekd("export", *teachers, "--to", "out", "--no-onnx", "--no-index", "--json").code == 0


def test_a_teacher_without_modalities_is_refused(distill: Command) -> None:
    done = distill("--method", "promptmm", method__parts="whole", method__N=5, method__K=None, method__L=None)
    assert done.code == 2
    assert "give a teacher with a factor table per modality, as bm3 has" in done.err


def test_who_reads_features_depends_on_them(rcekd: Command, file: Path) -> None:
    """Another file makes another BM3; a model that reads none is the same with them and without."""
    other = made(rcekd, "image2", seed=3).rename("elsewhere.parquet")
    plain = summary(train(rcekd, "mf"))
    assert summary(train(rcekd, "mf", file))["run_dir"] == plain["run_dir"]
    first = summary(train(rcekd, "bm3", file))
    assert summary(train(rcekd, "bm3", file))["run_dir"] == first["run_dir"]
    assert first["dataset"]["fingerprint"] == plain["dataset"]["fingerprint"]
    file.rename("moved.parquet")
    other.rename(file)
    assert summary(train(rcekd, "bm3", file))["run_dir"] != first["run_dir"]
    done = rcekd("evaluate", first["run_dir"])
    assert done.code == 2
    assert "made with other features of items" in done.error
    moved = f"data.features.{file.stem}=moved.parquet"
    assert rcekd("evaluate", first["run_dir"], "--set", moved, "--json").result["test"] == first["test"]


def test_a_given_teacher_wants_its_features(rcekd: Command, distill: Command, file: Path) -> None:
    folder = summary(train(rcekd, "bm3", file))["run_dir"]
    features = ("--set", f"data.features.image={file}")
    assert distill("--teacher", folder, *features).code == 0
    done = distill("--teacher", folder)
    assert done.code == 2
    assert "made with other features of items (image; here: none)" in done.error


def test_bm3_without_features_is_refused(rcekd: Command) -> None:
    done = train(rcekd, "bm3")
    assert done.code == 2
    assert "give it with --set data.features.NAME=FILE" in done.error


def test_bm3_goes_on_after_a_stop(rcekd: Command, file: Path) -> None:
    folder = Path(summary(train(rcekd, "bm3", file))["run_dir"])
    weights = (folder / "model.safetensors").read_bytes()
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 4
    (folder / "summary.json").unlink()
    for path in (folder / "state").iterdir():
        path.unlink()
    torch.manual_seed(99)
    assert rcekd("train-teacher", "--resume", folder, "--json", "--threads", 1).code == 0
    assert (folder / "model.safetensors").read_bytes() == weights
