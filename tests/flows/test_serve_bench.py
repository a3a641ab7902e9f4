"""`rcekd serve-bench`: teacher and student side by side."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.conftest import Outcome, assignments

Command = Callable[..., Outcome]
FEW = ("--requests", 20, "--batch", 16)

pytest.importorskip("usearch")


def test_teacher_and_student(rcekd: Command, finished: Path) -> None:
    pytest.importorskip("matplotlib")
    done = rcekd("serve-bench", finished, *FEW, "--threads", 2, "--plot", "picture.svg", "--json")
    assert done.code == 0
    teacher, student = done.result["models"]
    assert (teacher["dim"], student["dim"]) == (8, 3)
    assert teacher["disk_bytes"] > student["disk_bytes"]
    for model in (teacher, student):
        assert model["process_bytes"] > model["resident_bytes"] >= 0
        assert [(part["engine"], part["threads"]) for part in model["engines"]] == [
            ("exact", 1), ("exact", 2), ("index", 1), ("index", 2),
        ]  # fmt: skip
        for part in model["engines"]:
            assert 0 < part["p50"] <= part["p95"] <= part["p99"]
            assert part["users_per_second"] > 0
            assert 0.9 < part["recall"] <= 1.0
    assert "student, rcekd (mf 3)" in done.err
    assert Path("picture.svg").read_text().startswith("<?xml")


def test_one_run_alone(rcekd: Command, finished: Path) -> None:
    done = rcekd("serve-bench", finished, *FEW, "--threads", 1, "--only", "--no-index", "-k", 10**11)
    assert done.code == 0
    assert "student, rcekd (mf 3)" in done.out
    assert "teacher" not in done.out


def test_a_teacher_of_lists_is_left_out(rcekd: Command, distill: Command) -> None:
    rows = [f"{user},{(7 * user + 3 * place) % 80},{-place / 10}" for user in range(50) for place in range(20)]
    Path("top.csv").write_text("\n".join(["user,item,score", *rows]))
    data = [part for part in assignments() if "data." in part]
    words = [word for setting in data for word in ("--set", setting)]
    teacher = rcekd("import-teacher", "top.csv", "--dataset", "synthetic", "--json", "--threads", 1, *words).result
    student = distill("--teacher", teacher["run_dir"]).result["run_dir"]
    done = rcekd("serve-bench", student, *FEW, "--threads", 1, "--no-index", "--json")
    assert [model["run_dir"] for model in done.result["models"]] == [student]
    assert f"left out: {teacher['run_dir']}, a teacher imported as top-N lists" in done.err


@pytest.mark.parametrize("damaged", ["{", "[]"])
def test_a_damaged_summary_is_one_line(rcekd: Command, finished: Path, damaged: str) -> None:
    (finished / "summary.json").write_text(damaged)
    done = rcekd("serve-bench", finished, *FEW)
    assert (done.code, "summary.json: damaged" in done.error) == (2, True)


def test_what_is_refused(rcekd: Command, distill: Command, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = distill("--method", "none", data__synthetic__seed=5, method__K=None, method__L=None).result["run_dir"]
    assert "of other data" in rcekd("serve-bench", finished, other, "--only").error
    assert "--plot a.txt" in rcekd("serve-bench", finished, "--plot", "a.txt").error
    lost = rcekd("serve-bench", finished, *FEW, "--plot", "nowhere/a.svg").error  # one line: nothing was measured
    assert "--plot nowhere/a.svg: there is no folder nowhere; make it first" in lost
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    assert "pip install 'rcekd[serving]'" in rcekd("serve-bench", finished, "--quiet").error
