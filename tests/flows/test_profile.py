"""`rcekd profile`: phases that add up to the epoch."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest

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


@pytest.mark.parametrize(("method", "lists"), [("bd", {"K": None}), ("rd", {"K": 10, "Q": 10})])
def test_a_methods_warm_up_is_left_out(profile: Command, method: str, lists: dict[str, int | None]) -> None:
    own = {f"method__{key}": value for key, value in lists.items()}
    found = profile("--method", method, method__warm_up=3, method__L=None, **own).result
    assert found["phases"]["sampling"]["seconds"] > 0


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
