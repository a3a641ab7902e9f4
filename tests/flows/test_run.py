"""`rcekd run`: every cell once, whatever is interrupted, however many take part, and whatever fails."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from rcekd.errors import InterruptedRun
from rcekd.training.run_folder import RunFolder
from tests.conftest import ROOT
from tests.flows.conftest import SMALL, Outcome

Command = Callable[..., Outcome]
FAILING = {"label": "wild", "method": "ce", "set": {"method.K": 10, "train.learning_rate": 1e25}}
GRID: dict[str, Any] = {
    "title": "small",
    "datasets": ["synthetic"],
    "methods": [
        "none",
        {"label": "ce", "set": {"method.K": 10}},
        {"label": "rcekd", "set": {"method.K": 10, "method.L": 10}},
    ],
    "seeds": [0, 1],
    "set": SMALL,
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        file = tmp_path / "mine.yaml"
        file.write_text(yaml.safe_dump({**GRID, **changes}))
        return file

    return write


def run(rcekd: Command, file: Path, *words: object) -> Outcome:
    return rcekd("run", file, "--json", "--threads", 1, *words)


def table(folder: Path) -> dict[str, Any]:
    """What the cells came to, without what differs from one run to the next."""
    found = {}
    for file in sorted((folder / "cells").glob("*.json")):
        record = json.loads(file.read_text())
        users = np.load(file.with_suffix(".npz"))
        found[file.stem] = (record["labels"], record["summary"]["test"], {k: users[k].tolist() for k in users})
    return found


def test_cells_are_run_once_and_found_again(rcekd: Command, written: Callable[..., Path]) -> None:
    done = run(rcekd, written())
    assert done.code == 0
    assert (done.result["cells"], done.result["done"], done.result["failed"]) == (8, 8, [])
    folder = Path(done.result["folder"])
    for labels, test, users in table(folder).values():
        assert set(test) == set(users)
        for metric, value in test.items():
            assert np.mean(users[metric]) == pytest.approx(value, abs=1e-6), labels
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("summary.json")}
    again = run(rcekd, written(seeds=[0, 1, 2]))
    assert (again.result["cells"], again.result["done"]) == (12, 12)
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what was done stays"


def test_a_failed_cell_stops_nothing_and_is_tried_again(rcekd: Command, written: Callable[..., Path]) -> None:
    file = written(methods=[FAILING, *GRID["methods"]], seeds=[0])
    done = rcekd("run", file, "--quiet", "--threads", 1)
    assert done.code == 2
    assert "1 cells failed, the first synthetic mf-mf wild seed 0: " in done.error
    assert "lower train.learning_rate" in done.error
    dry = run(rcekd, file, "--dry-run").result
    assert (dry["done"], dry["pending"], len(dry["failed"])) == (4, 0, 1)
    mended = [{**FAILING, "set": {"method.K": 10}}, *GRID["methods"]]
    assert run(rcekd, written(methods=mended, seeds=[0])).code == 0


def test_only_some_cells(rcekd: Command, written: Callable[..., Path]) -> None:
    done = run(rcekd, written(), "--only", "ce", "--only", "1")
    assert (done.result["cells"], done.result["done"]) == (1, 1)
    refused = run(rcekd, written(), "--only", "mf-mf", "--only", "cee")
    assert refused.code == 2
    assert "no cell has the label 'cee'; there are synthetic; mf-mf; " in refused.err
    both = run(rcekd, written(), "--dry-run", "--only", "teacher", "--only", "ce")
    assert (both.result["cells"], both.result["done"]) == (4, 1)


def test_a_label_of_several_words_can_be_asked_for(rcekd: Command, written: Callable[..., Path]) -> None:
    methods = [{"label": f"w/o {part}", "method": "ce", "set": {"method.K": k}} for part, k in (("S", 5), ("S T", 6))]
    file = written(methods=methods)
    found = {
        label: run(rcekd, file, "--dry-run", "--only", label).result["cells"]
        for label in ("w/o S", "w/o S T", "w/o", "seed 1")
    }
    assert found == {"w/o S": 2, "w/o S T": 2, "w/o": 4, "seed 1": 3}


def test_a_cell_of_two_labels_is_found_by_either(rcekd: Command, written: Callable[..., Path]) -> None:
    same = [{"label": label, "set": {"method.K": 10}} for label in ("K = 10", "as it is")]
    file = written(methods=["ce"], variants=same, seeds=[0])
    assert [
        run(rcekd, file, "--dry-run", "--only", "ce", *only).result["cells"]
        for only in ((), ("--only", "K = 10"), ("--only", "as it is"))
    ] == [1, 1, 1]


def test_a_dry_run_writes_nothing_and_estimates(rcekd: Command, written: Callable[..., Path]) -> None:
    done = rcekd("run", written(), "--dry-run")
    assert done.code == 0
    assert "training left: unknown for 8 cells, until one like them is done" in done.out
    assert not Path("runs").exists()


def test_what_is_not_asked_for_tells_how_long_the_rest_takes(rcekd: Command, written: Callable[..., Path]) -> None:
    file = written()
    first = run(rcekd, file, "--only", "seed 0").result
    assert (first["seconds_left"], first["cells_of_unknown_length"]) == (0.0, 0)
    left = run(rcekd, file, "--only", "seed 1", "--dry-run").result
    assert left["pending"] == first["cells"]
    assert left["cells_of_unknown_length"] == 0
    assert left["seconds_left"] > 0


def test_a_method_that_is_another_by_its_settings_is_named(rcekd: Command, written: Callable[..., Path]) -> None:
    twins = [{"label": label, "method": "ce", "set": {"method.K": 10}} for label in ("plain", "K = 10")]
    told = rcekd("run", written(methods=twins), "--dry-run")
    assert "│ plain" in told.out
    assert "K = 10 has the settings of plain, and shares its runs" in told.out


def test_without_an_experiment_the_ready_ones_are_listed(rcekd: Command) -> None:
    told = rcekd("run", "--json")
    names = [entry["name"] for entry in told.result["ready"]]
    assert names[:3] == ["table1", "table7", "table8"]
    assert names.index("table15") < names.index("figure1") < names.index("figure10") < names.index("methods")
    assert "figure5  │ NDCG@10 on the training set" in rcekd("run").out
    assert not Path("runs").exists()


def test_two_processes_share_the_cells(rcekd: Command, written: Callable[..., Path], tmp_path: Path) -> None:
    alone = table(Path(run(rcekd, written()).result["folder"]))
    shared = run(rcekd, written(), "--jobs", 2, "--runs-dir", tmp_path / "shared")
    assert shared.code == 0
    assert table(Path(shared.result["folder"])) == alone


def test_what_failed_for_one_of_several_processes_is_said_once(rcekd: Command, written: Callable[..., Path]) -> None:
    file = written(seeds=[0], methods=[{"label": "ce", "set": {"method.K": 10_000}}])
    done = run(rcekd, file, "--jobs", 2)
    assert done.code == 2
    assert done.result["failed"], done.err
    assert done.err.count("the same command tries again") == 1, done.err


def write_data(seed: int) -> None:
    dice = random.Random(seed)
    pairs = [(user, item) for user in range(40) for item in sorted(dice.sample(range(60), 12))]
    Path("own.csv").write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in pairs))


def test_a_half_done_cell_of_a_file_that_has_changed_begins_again(
    rcekd: Command, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = {key: value for key, value in SMALL.items() if not key.startswith("data.")}
    file = written(datasets=["own.csv"], seeds=[0], set=sets, methods=[{"label": "ce", "set": {"method.K": 10}}])
    write_data(1)
    real = RunFolder.write_model

    def dying(self: RunFolder, *given: Any) -> None:
        if self.path.name.startswith("cell-"):
            raise InterruptedRun("stopped by the test")
        real(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_model", dying)
        assert run(rcekd, file).code == 130
    (cell,) = Path("runs").glob("cell-*")
    assert (cell / "state" / "checkpoint.pt").is_file()
    write_data(2)
    done = run(rcekd, file)
    assert (done.code, done.result["done"]) == (0, 2), done.err
    assert [line["epoch"] for line in RunFolder(cell).read_metrics()] == list(range(SMALL["train.epochs"]))


def test_cells_of_a_file_that_has_changed_are_run_again(rcekd: Command, written: Callable[..., Path]) -> None:
    def fingerprints() -> set[str]:
        files = [*Path("runs").glob("cell-*/summary.json"), *Path("runs/experiments/mine/cells").glob("*.json")]
        found = [json.loads(file.read_text()) for file in files]
        return {entry.get("summary", entry)["dataset"]["fingerprint"] for entry in found}

    sets = {key: value for key, value in SMALL.items() if not key.startswith("data.")}
    file = written(datasets=["own.csv"], seeds=[0], set=sets)
    write_data(1)
    assert run(rcekd, file).result["done"] == 4
    (before,) = fingerprints()
    assert "changed" not in run(rcekd, file).err
    write_data(2)
    dry = run(rcekd, file, "--dry-run")
    assert "4 cells were done with data that has changed since" in dry.err
    assert fingerprints() == {before}
    done = run(rcekd, file)
    assert (done.code, done.result["done"]) == (0, 4), done.err
    assert len(fingerprints() - {before}) == len(fingerprints()) == 1


@pytest.mark.parametrize(
    ("codes", "code", "says"),
    [
        ([0, 130], 130, "stopped, 8 cells are left to do; what was saved is kept, and the same command goes on"),
        ([-9, -15], 130, "stopped, 8 cells are left"),
        ([-9, 0], 1, "8 cells are left to do: of 2 processes some ended by SIGKILL"),
        ([2, 2], 2, "8 cells are left to do: of 2 processes some ended with code 2"),
    ],
)
def test_processes_that_ended_before_the_work(
    rcekd: Command,
    written: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    codes: list[int],
    code: int,
    says: str,
) -> None:
    monkeypatch.setattr("rcekd.commands.run.side_by_side", lambda *_: codes)
    done = run(rcekd, written(), "--jobs", 2)
    assert (done.code, done.result["pending"]) == (code, 8)
    assert says in done.err.splitlines()[-1]


def test_an_experiment_that_asks_for_it_is_analysed_and_drawn(rcekd: Command, written: Callable[..., Path]) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy.stats")
    plain = run(rcekd, written(seeds=[0]))
    assert not list(Path("runs").glob("cell-*/analysis.json"))
    kinds = ["train-ndcg", "ov"]
    file = written(seeds=[0], keep_trajectory=True, figures=kinds)
    shutil.rmtree(plain.result["folder"])
    done = run(rcekd, file)
    assert done.code == 0
    assert len(list(Path("runs").glob("cell-*/analysis.json"))) == 2, (
        "of ce and rcekd, trained again with their moments"
    )
    report = rcekd("report", done.result["folder"], "--format", "html,tex")
    assert report.code == 0, report.err
    assert "Overlap of A with the closed set" in report.out
    folder = Path(done.result["folder"])
    assert {path.name for path in (folder / "figures").iterdir()} == {
        f"train-ndcg.{kind}" for kind in ("svg", "pdf", "png")
    }
    assert "data:image/svg+xml;base64," in (folder / "report" / "report.html").read_text()
    assert "{../figures/train-ndcg.pdf}" in (folder / "report" / "report.tex").read_text()


@pytest.mark.slow
def test_killed_ten_times_it_ends_with_the_same_table(rcekd: Command, written: Callable[..., Path]) -> None:
    whole = table(Path(run(rcekd, written(), "--runs-dir", "whole").result["folder"]))
    words = [sys.executable, "-c", "from rcekd.commands import main; main()", "run", str(written()), "--quiet"]
    dice = random.Random(5)
    for _ in range(10):
        with subprocess.Popen([*words, "--threads", "1"], env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
            time.sleep(dice.uniform(2.0, 6.0))
            process.send_signal(signal.SIGKILL)
    done = run(rcekd, written())
    assert done.code == 0
    assert table(Path(done.result["folder"])) == whole
