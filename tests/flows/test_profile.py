"""`rcekd profile` and `rcekd bench`: phases that add up, and times that are only compared on one machine."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml

from rcekd.experiments.benching import paper_costs, with_ratios
from rcekd.reports.profiles import bench_table
from tests.flows.conftest import Outcome, assignments

Command = Callable[..., Outcome]
PHASES = {"negatives", "forward", "backward", "optimiser", "evaluation"}


@pytest.fixture
def profile(rcekd: Command) -> Command:
    words = ["profile", "--dataset", "synthetic", "--json", "--threads", 1, "--epochs", 3]
    return lambda *more, **changes: rcekd(*words, *assignments(**changes), *more)


def test_phases_add_up_to_the_epoch(profile: Command) -> None:
    found = profile().result
    assert found["phases"].keys() == PHASES | {"closure", "teacher scores", "other"}
    assert sum(phase["share"] for phase in found["phases"].values()) == pytest.approx(1.0, abs=0.2)
    assert len(found["epoch_seconds"]) == found["epochs"] == 3
    assert found["phased_seconds_per_epoch"] == fmean(found["epoch_seconds"]), "phases cost nothing on a CPU"
    assert found["phases"]["closure"]["flops"] == 2 * 50 * 80 * 3
    assert found["teacher"]["is"] == "trained for 3 epochs"
    assert not Path("runs").exists(), "nothing is left behind"


def test_the_student_alone_and_a_trained_teacher(profile: Command, finished: Path) -> None:
    alone = profile("--method", "none", method__K=None, method__L=None).result
    assert alone["phases"].keys() == PHASES | {"other"}
    assert alone["teacher"] is None
    assert profile().result["teacher"]["is"] == "trained"
    assert profile("--teacher", next(finished.parent.glob("teacher-*"))).result["teacher"]["is"] == "trained"


def test_a_phase_that_does_not_run_in_every_epoch_has_the_rate_of_its_own_seconds(profile: Command) -> None:
    found = profile(train__eval_every=2).result["phases"]["evaluation"]
    assert found["flops"] > 0
    assert found["seconds"] > 0, "of three epochs one or two are judged"
    assert found["gflop_per_s"] == pytest.approx(found["flops"] / found["seconds"] / 1e9)


def test_a_finished_teacher_without_its_trajectory_is_left_alone(profile: Command, finished: Path) -> None:
    teacher = next(finished.parent.glob("teacher-*"))
    before = {file: file.read_bytes() for file in teacher.rglob("*") if file.is_file()}
    done = profile("--method", "hetcomp", method__K=5, method__L=None)
    assert done.result["teacher"]["is"] == "trained for 3 epochs"
    assert {file: file.read_bytes() for file in teacher.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("name", ["epoch.svg", "epoch.png"])
def test_trace_and_picture(profile: Command, name: str) -> None:
    pytest.importorskip("matplotlib", reason="the plots extra is not installed")
    assert profile("--trace", "trace.json", "--plot", name).code == 0
    assert json.loads(Path("trace.json").read_text())["traceEvents"]
    assert Path(name).stat().st_size > 1000


def test_a_trace_into_no_folder_is_refused_before_any_work(profile: Command) -> None:
    done = profile("--trace", "missing/trace.json")
    assert (done.code, done.error) == (
        2,
        "rcekd: --trace missing/trace.json: there is no folder missing; make it first",
    )


def test_a_picture_of_no_known_kind_is_refused_before_any_work(profile: Command) -> None:
    done = profile("--plot", "epoch.bmp")
    assert done.code == 2
    assert "expected a name that ends in .svg, .png, .pdf" in done.error


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
