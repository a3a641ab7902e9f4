"""`rcekd bench`: methods beside the student alone, and times that are only compared on one machine."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rcekd.experiments.benching import paper_costs, with_ratios
from rcekd.reports.profiles import bench_table
from tests.flows.conftest import Outcome, assignments

Command = Callable[..., Outcome]


@pytest.fixture
def bench(rcekd: Command) -> Command:
    small: dict[str, Any] = {"method__K": None, "method__L": None}
    words = ["bench", "--datasets", "synthetic", "--methods", "ce", "--epochs", 2, "--threads", 1, "--json"]
    return lambda *more: rcekd(*words, *assignments(**small), *more)


def test_bench_sets_methods_beside_the_student_alone(bench: Command) -> None:
    found = bench().result
    assert [cell["method"] for cell in found["cells"]] == ["none", "ce"]
    alone, other = found["cells"]
    assert alone["ratio"] == 1.0
    assert other["ratio"] == pytest.approx(other["seconds_per_epoch"] / alone["seconds_per_epoch"])
    assert other["peak_rss_bytes"] > 50 << 20
    assert [(cell["profile"]["epochs"], cell["profile"]["warmup"]) for cell in (alone, other)] == [(2, 1)] * 2
    assert {cell["profile"]["threads"] for cell in (alone, other)} == {1}


def test_methods_share_a_teacher_that_the_runs_folder_lacks(
    rcekd: Command, bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    plain = subprocess.run

    def run(words: list[str], **more: Any) -> Any:
        if words[0] == sys.executable:
            ran.append(words[3])  # after -c and the program
        return plain(words, **more)

    monkeypatch.setattr(subprocess, "run", run)
    found = bench("--methods", "ce,bd,hetcomp").result  # lists, a live model, a trajectory
    assert ran == ["profile", "train-teacher", "profile", "profile", "profile"]
    assert [cell["profile"]["teacher"] and cell["profile"]["teacher"]["is"] for cell in found["cells"]] == [
        None,
        *["trained for 3 epochs"] * 3,
    ]
    assert "a teacher was trained for 3 epochs for this" in " ".join(bench_table(found).notes)
    assert not Path("runs").exists(), "nothing is left behind"
    ran.clear()
    assert rcekd("train-teacher", "--dataset", "synthetic", *assignments(method__K=None, method__L=None)).code == 0
    found = bench().result
    assert ran == ["profile", "profile"]
    assert found["cells"][1]["profile"]["teacher"]["is"] == "trained"


def test_bench_takes_one_of_each_as_the_other_commands_do(rcekd: Command) -> None:
    one = ["bench", "--dataset", "synthetic", "--student", "mf", "--method", "ce", "--epochs", 1, "--warmup", 0]
    found = rcekd(*one, "--json", *assignments(method__K=None, method__L=None)).result
    assert [(cell["dataset"], cell["pair"], cell["method"]) for cell in found["cells"]] == [
        ("synthetic", "mf-mf", "none"),
        ("synthetic", "mf-mf", "ce"),
    ]
    for again in (["--datasets", "ml-1m"], ["--methods", "all,ce"], ["--pairs", "mf-mf"]):
        done = rcekd(*one, *again)
        assert (done.code, "give one of the two" in done.error) == (2, True)


def test_bench_takes_a_methods_settings_for_it_alone(rcekd: Command, tmp_path: Path) -> None:
    own = {"student": {"dim": 9}, "dataset": "synthetic", "method": {"name": "rcekd", "beta": 2, "K": 5, "L": 5}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(own))
    short = ["--epochs", 1, "--warmup", 0, "--json", *assignments(method__K=None, method__L=None, student__dim=None)]
    found = rcekd("bench", "--config", "mine.yaml", *short, "--set", "method.lambda=3").result
    assert [(cell["dataset"], cell["method"]) for cell in found["cells"]] == [
        ("synthetic", "none"),
        ("synthetic", "rcekd"),
    ]
    assert {cell["profile"]["student"]["dim"] for cell in found["cells"]} == {9}
    found = rcekd("bench", "--config", "mine.yaml", "--method", "ce", *short).result
    assert [cell["method"] for cell in found["cells"]] == ["none", "ce"], "β is none of its settings"
    done = rcekd("bench", "--config", "mine.yaml", "--method", "ce", "--set", "method.beta=3")
    assert (done.code, "unknown setting 'method.beta' (from --set method.beta=3)" in done.error) == (2, True)
    (tmp_path / "mine.yaml").write_text("teacher_dirs: [here]\n")
    done = rcekd("bench", "--config", "mine.yaml")
    assert (done.code, "mine.yaml: teacher_dirs: bench makes a teacher" in done.error) == (2, True)


def test_the_papers_costs_stand_beside_ours(bench: Command) -> None:
    found = bench().result
    assert {cell["paper"] for cell in found["cells"]} == {None}, "it tells none of synthetic data"
    assert "paper" not in " ".join(bench_table(found).columns)
    for cell, method in zip(found["cells"], ("none", "rcekd"), strict=True):
        cell |= {"dataset": "gowalla", "pair": "lightgcn-mf", "method": method}
    table = bench_table({**found, "cells": [with_ratios(cell, found["cells"]) for cell in found["cells"]]})
    assert table.columns[-3:] == ("paper s", "paper × alone", "paper GB")
    assert [row[-3:] for row in table.rows] == [("27.33", "1.0", "0.45"), ("99.30", "3.6", "6.37")]
    assert len(paper_costs()) == 3 * 3 * 6


def test_results_of_another_machine_are_refused(bench: Command, tmp_path: Path) -> None:
    found = bench().result
    (tmp_path / "mine.json").write_text(json.dumps(found))
    assert len(bench("--compare", "mine.json").result["cells"]) == 2, "measured anew, not twice"
    for cell in found["cells"]:
        cell["dataset"], cell["profile"]["machine"] = "other", "64 × another"
    (tmp_path / "theirs.json").write_text(json.dumps(found))
    done = bench("--compare", "theirs.json")
    assert done.code == 2
    assert "times of different machines do not compare: machine is '64 × another' for other mf-mf none" in done.err
    (tmp_path / "none.json").write_text("{}")
    assert "not what `rcekd bench --json` prints" in bench("--compare", "none.json").err


def test_a_method_is_not_set_beside_another_student(bench: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(bench("--set", "student.dim=9").result))
    done = bench("--compare", "mine.json")
    assert done.code == 2
    assert "are of unlike students, data or batch size (mf of" in done.err
