"""`rcekd report` on a folder that `rcekd run` has filled."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.flows.conftest import SMALL, Outcome

pytest.importorskip("scipy.stats", reason="the report extra is not installed")
Command = Callable[..., Outcome]
GRID: dict[str, Any] = {
    "title": "small",
    "datasets": ["synthetic"],
    "methods": ["none", {"label": "rcekd", "set": {"method.K": 10, "method.L": 10}}],
    "variants": ["", {"label": "dim 2", "set": {"student.dim": 2}}],
    "seeds": [0, 1],
    "set": SMALL,
}


def test_a_run_is_reported_from_its_plan(rcekd: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(GRID))
    assert rcekd("run", "mine.yaml", "--quiet", "--threads", 1).code == 0
    folder = Path("runs/experiments/mine")
    found = rcekd("report", folder, "--json").result
    plain, narrow, beside = found["blocks"]
    assert [row["method"] for row in plain["rows"]] == ["teacher", "none", "rcekd"]
    assert [row["method"] for row in narrow["rows"]] == ["teacher", "none", "rcekd"], "the teacher is shared"
    assert narrow["rows"][0] == plain["rows"][0]
    assert (beside["of_variants"], [row["method"] for row in beside["rows"]]) == (True, ["as it is", "dim 2"])
    for row in plain["rows"]:
        cells = [json.loads((folder / "cells" / f"{cell}.json").read_text()) for cell in row["cells"]]
        assert row["seeds"] == [0, 1]
        assert row["mean"]["ndcg@10"] == pytest.approx(sum(c["summary"]["test"]["ndcg@10"] for c in cells) / 2)
    assert [test["seeds"]["n"] for test in plain["tests"]] == [2, 2]
    assert [test["users"]["n"] for test in plain["tests"]] == [50, 50]
    assert {Path(file).name for file in found["files"]} == {
        "report.md", "tables.tex", "report.tex", "cells.csv", "rows.csv", "report.html"
    }  # fmt: skip
    shown = rcekd("report", folder, "--format", "md", "--metric", "recall@20", "--to", "elsewhere")
    assert "rcekd against the others on recall@20" in shown.out
    assert Path("elsewhere/report.md").is_file()
    next((folder / "cells").glob("*.json")).unlink()
    assert any(block["unfinished"] for block in rcekd("report", folder, "--json").result["blocks"])


def test_every_cell_of_a_plan_of_variants_is_shown_or_named(rcekd: Command, tmp_path: Path) -> None:
    moved = {
        "as is": {},
        "beta 5": {"method.beta": 5.0},
        "other data": {"data.split_seed": 7},
        "bad": {"method.K": 99999},
    }
    variants = [{"label": label, "set": values} for label, values in moved.items()]
    common = {**SMALL, "method.K": 10, "method.L": 10}
    plan = {**GRID, "methods": ["rcekd"], "variants": variants, "seeds": [0], "set": common}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(plan))
    rcekd("run", "mine.yaml", "--quiet", "--threads", 1)
    found = rcekd("report", "runs/experiments/mine", "--json").result
    assert [block["variant"] for block in found["blocks"]] == ["as is", "other data", "variants of rcekd"]
    own, other, beside = found["blocks"]
    assert [row["method"] for row in other["rows"]] == ["teacher", "rcekd"]
    assert [row["method"] for row in beside["rows"]] == ["as is", "beta 5"]
    (failure,) = beside["failed"]
    assert failure["cell"] == "synthetic mf-mf rcekd bad seed 0"
    assert not own["failed"]
    assert not any("failed" in note for note in found["notes"])
    cells = csv.DictReader(Path("runs/experiments/mine/report/cells.csv").read_text().splitlines())
    assert {line["variant"] for line in cells if line["method"] == "rcekd"} == {"as is", "beta 5", "other data"}


def test_the_test_over_users_is_of_those_that_are_averaged_over(rcekd: Command, tmp_path: Path) -> None:
    # Only the first ten of thirty users have been there in the end, when the test items are taken.
    lines = [f"{user},{item % 25},{item - user}" for user in range(30) for item in range(user, user + 12)]
    lines += [f"{user},{item},{100 + item}" for user in range(10) for item in range(25, 35)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time", *lines]))
    common = {key: value for key, value in SMALL.items() if "synthetic" not in key}
    common |= {"eval.users": "with-targets", "data.split": "time-global"}
    plan = {**GRID, "datasets": ["log.csv"], "variants": [""], "seeds": [0], "teachers": False, "set": common}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(plan))
    assert rcekd("run", "mine.yaml", "--quiet", "--threads", 1).code == 0
    (block,) = rcekd("report", "runs/experiments/mine", "--json").result["blocks"]
    means = {row["method"]: row["mean"]["ndcg@10"] for row in block["rows"]}
    (test,) = block["tests"]
    assert test["users"]["n"] == 10
    assert test["users"]["difference"] == pytest.approx(means["rcekd"] - means["none"], abs=1e-6)


def test_wrong_input_is_one_line(rcekd: Command, tmp_path: Path) -> None:
    done = rcekd("report", tmp_path / "nothing")
    assert done.code == 2
    assert "no finished cell in" in done.error
    assert rcekd("report", tmp_path, "--format", "pdf").code == 2
