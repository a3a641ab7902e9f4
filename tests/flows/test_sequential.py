"""Sequential models through whole commands: distil in every pairing, go on after a stop, evaluate, serve."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.flows.conftest import Outcome, assignments, check_resumes

Command = Callable[..., Outcome]

TEACHER = {"teacher__model": "hstu", "teacher__blocks": 2, "teacher__heads": 2, "teacher__window": 10}
STUDENT = {"student__dim": 4, "student__window": 10}
METHODS = {
    "rcekd": {},
    "rrd": {"method__K": 4, "method__L": 3, "method__M": 5, "method__T": 2.0},
    "de": {"method__K": None, "method__L": None, "method__E": 3},
    "ftd": {"method__K": None, "method__L": None},
    "bd": {"method__K": None, "method__L": None},
    "hetcomp": {"method__K": 6, "method__L": None, "method__depth": 5},
}


@pytest.mark.parametrize("pair", ["hstu-hstu", "hstu-mf", "sasrec-sasrec"])
def test_pairs(distill: Command, pair: str) -> None:
    teacher, student = pair.split("-")
    own = STUDENT if student != "mf" else {"student__dim": 4}
    done = distill("--student", student, **{**TEACHER, **own, "teacher__model": teacher})
    assert done.code == 0, done.err
    assert (done.result["teacher"]["model"], done.result["student"]["model"]) == (teacher, student)
    assert done.result["teacher"]["temperatures"] == [1.0]
    assert done.result["protocol"]["history"] == "train"


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_methods(distill: Command, method: str) -> None:
    done = distill("--student", "hstu", "--method", method, **{**TEACHER, **STUDENT, **METHODS[method]})
    assert done.code == 0, done.err


def test_a_live_teacher_needs_a_student_that_hands_it_whole_users(distill: Command) -> None:
    done = distill("--method", "bd", **{**TEACHER, **METHODS["bd"]})
    assert done.code == 2
    assert "hstu learns from whole histories" in done.err
    wider = distill("--student", "hstu", "--method", "bd", **{**TEACHER, **METHODS["bd"], "student__window": 11})
    assert (wider.code, "student.window to 10 or less" in wider.err) == (2, True)


def test_it_goes_on_to_the_same_bytes(distill: Command, rcekd: Command) -> None:
    """Dropout and all."""
    check_resumes(lambda: distill("--student", "hstu", **TEACHER, **STUDENT, train__checkpoint_seconds=0), rcekd)


def test_profile(rcekd: Command) -> None:
    words = assignments(**TEACHER, **STUDENT)
    done = rcekd("profile", "--dataset", "synthetic", "--student", "hstu", "--epochs", 2, "--json", *words)
    assert done.code == 0, done.err
    assert {"negatives", "forward", "backward", "evaluation"} <= done.result["phases"].keys()


def test_auto_temperature_is_told_and_makes_another_run(distill: Command) -> None:
    plain = distill("--student", "hstu", **{**TEACHER, **STUDENT}).result
    warmed = distill("--student", "hstu", **{**TEACHER, **STUDENT, "teacher__temperature": "auto"}).result
    (tau,) = warmed["teacher"]["temperatures"]
    assert tau != 1.0
    assert warmed["teacher"]["run_dir"] == plain["teacher"]["run_dir"], "the same teacher"
    fixed = distill("--student", "hstu", **{**TEACHER, **STUDENT, "teacher__temperature": tau}).result
    assert len({run["identity"] for run in (plain, warmed, fixed)}) == 3
    assert fixed["test"] == warmed["test"] != plain["test"]


def test_history_of_the_test(distill: Command, rcekd: Command) -> None:
    """Having read the validation items changes the test ranking and nothing else."""
    plain = distill("--student", "hstu", **{**TEACHER, **STUDENT}).result
    read = rcekd("evaluate", plain["run_dir"], "--set", "eval.history=train+valid", "--json").result
    again = rcekd("evaluate", plain["run_dir"], "--json").result
    assert again["test"] == plain["test"] != read["test"]
    assert again["valid"] == read["valid"] == plain["valid"]
    assert read["protocol"] == {"mask": "train", "users": "all", "history": "train+valid"}


def test_serving(distill: Command, rcekd: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export keeps users as of training and says so; `recommend` reads histories in their order."""
    run_dir = distill("--student", "hstu", **{**TEACHER, **STUDENT}).result["run_dir"]
    assert rcekd("export", run_dir, "--to", "out", "--no-onnx", "--no-index").code == 0
    card = json.loads(Path("out/card.json").read_text())
    assert card["window"] == 10
    assert "makes a user's vector of the last 10 items in order" in Path("out/model_card.md").read_text()
    factors = load_file("out/factors.safetensors")
    assert np.allclose(np.linalg.norm(factors["user"], axis=1), 0.05**-0.5)

    def items(line: str) -> list[int]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line.encode())))
        found = rcekd("recommend", run_dir, "--history", "-", "-k", 60, "--seen", "none", "--json").result
        return [entry["item"] for entry in found["recommendations"][0]["items"]]

    assert items("1,2,5") != items("5,2,1"), "the order matters"
    assert items("1,2,5") == items("1,2,5")
