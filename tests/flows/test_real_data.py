"""Real files through the whole road: MovieLens 100k out of its wheel, and a table of the user's own."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.conftest import SMALL, Outcome

Command = Callable[..., Outcome]


def small(*but: str) -> list[str]:
    """--set options of a quick run, without the synthetic dataset's."""
    kept = {key: value for key, value in SMALL.items() if "synthetic" not in key and key not in but}
    return [part for key, value in kept.items() for part in ("--set", f"{key}={value}")]


@pytest.mark.slow
def test_movielens(rcekd: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default dataset: three epochs teach the teacher and the student something."""
    cache = os.environ.get("RCEKD_TEST_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("RCEKD_CACHE_DIR", cache)
    found = rcekd("data", "info", "ml-100k", "--json")
    if found.code == 2:
        pytest.skip(f"ml-100k is not to be had here: {found.error}")
    assert (found.result["users"], found.result["items"]) == (943, 1682)
    words = ["--set", "teacher.train.batch_size=2048", "--set", "train.batch_size=2048"]
    summary = rcekd("distill", "--json", *small("teacher.train.batch_size", "train.batch_size"), *words).result
    assert summary["dataset"]["name"] == "ml-100k"
    assert summary["method"]["K"] == 50
    assert summary["teacher"]["test"]["ndcg@10"] > 0.05
    assert summary["test"]["ndcg@10"] > 0.05


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A CSV with names for users and items, and brackets in its own."""
    rows = [f"user {u},item {i},{u + i}" for u in range(20) for i in range(30) if (u + i) % 2 == 0]
    path = tmp_path / "mine [1].csv"
    path.write_text("\n".join(["user,item,time", *rows]) + "\n")
    return path


def test_a_table_of_one_s_own(rcekd: Command, table: Path) -> None:
    words = [*small(), "--set", "method.K=5", "--set", "method.L=5", "--threads", 1]
    summary = rcekd("distill", "--dataset", table, "--json", *words).result
    assert (summary["dataset"]["users"], summary["dataset"]["items"]) == (20, 30)
    again = rcekd("evaluate", summary["run_dir"], "--json")
    assert again.result["test"] == summary["test"]
    assert "mine [1]" in rcekd("data", "info", table).out
    table.unlink()
    gone = rcekd("evaluate", summary["run_dir"])
    assert gone.code == 2
    assert str(table) in gone.error


def test_resuming_finds_the_teacher_beside_the_run(
    rcekd: Command, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another working directory, without --runs-dir, after the runs have moved: no second teacher is trained."""
    model = (finished / "model.safetensors").read_bytes()
    (finished / "summary.json").unlink()
    (finished / "model.safetensors").unlink()
    shutil.move(tmp_path / "runs", tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    folder = tmp_path / "moved" / finished.name
    done = rcekd("distill", "--resume", folder, "--json", "--threads", 1)
    assert done.code == 0
    assert done.result["run_dir"] == str(folder)
    assert (folder / "model.safetensors").read_bytes() == model
    assert list(Path.cwd().iterdir()) == []
