"""HSTU with times, through whole commands: trained, distilled, resumed, evaluated, served; and refused without any."""

import io
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import Outcome, assignments, check_resumes

Command = Callable[..., Outcome]

HSTU = {"teacher__model": "hstu", "teacher__blocks": 2, "teacher__heads": 2, "teacher__window": 10}
HSTU |= {"student__model": "hstu", "student__dim": 4, "student__window": 10}
ON = {**HSTU, "teacher__time_bias": "on", "student__time_bias": "auto"}


def write_table(path: Path, scale: int = 1) -> Path:
    """40 users with 12 of 60 items each, at times of their own."""
    generator = random.Random(3)
    lines = ["user,item,timestamp"]
    for user in range(40):
        times = sorted(int(10 ** generator.uniform(0, 8)) for _ in range(12))
        lines += [
            f"{user},{item},{scale * time}" for item, time in zip(generator.sample(range(60), 12), times, strict=True)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def distilled(rcekd: Command, tmp_path: Path) -> Callable[..., Outcome]:
    """Distil on the table, with --json."""
    table = write_table(tmp_path / "rated.csv")

    def invoke(**changes: Any) -> Outcome:
        return rcekd("distill", "--dataset", table, "--json", "--threads", 1, *assignments(**changes))

    return invoke


def test_they_make_another_run_and_no_other_data(distilled: Callable[..., Outcome], rcekd: Command) -> None:
    off, on = distilled(**HSTU).result, distilled(**ON).result
    assert off["dataset"]["fingerprint"] == on["dataset"]["fingerprint"]
    assert "times" not in off["dataset"]
    assert on["teacher"]["parameters"] == off["teacher"]["parameters"] + 2 * 129
    assert on["student"]["parameters"] == off["student"]["parameters"] + 129
    assert (on["identity"], on["test"]) != (off["identity"], off["test"])
    same = distilled(**{**ON, "teacher__time_bias": "auto", "student__time_bias": "true"}).result
    assert (same["identity"], same["teacher"]["run_dir"]) == (on["identity"], on["teacher"]["run_dir"])
    again = rcekd("evaluate", on["run_dir"], "--json").result
    assert (again["valid"], again["test"]) == (on["valid"], on["test"])
    further = rcekd("evaluate", on["run_dir"], "--set", "eval.history=train+valid", "--json").result
    assert (further["valid"], further["test"] != on["test"]) == (on["valid"], True)


def test_it_goes_on_to_the_same_bytes(distilled: Callable[..., Outcome], rcekd: Command) -> None:
    check_resumes(lambda: distilled(**ON, train__checkpoint_seconds=0), rcekd)


def test_other_times_are_other_data_to_who_reads_them(
    distilled: Callable[..., Outcome], rcekd: Command, tmp_path: Path
) -> None:
    """In the same order, so that nobody else sees a difference."""
    off, on = distilled(**HSTU).result["run_dir"], distilled(**ON).result["run_dir"]
    write_table(tmp_path / "rated.csv", scale=60)
    assert rcekd("evaluate", off).code == 0
    done = rcekd("evaluate", on)
    assert done.code == 2
    assert "this model reads the times of interactions, and rated has others here" in done.error
    done = rcekd("evaluate", on, "--set", "data.columns.time=-", "--set", "data.split=reference")
    assert done.code == 2


def test_without_times_on_is_refused_before_anything_is_trained(distill: Command) -> None:
    for room in ("teacher", "student"):
        done = distill(**{**HSTU, f"{room}__time_bias": "on"})
        assert done.code == 2
        assert "model hstu: time_bias=on needs times of interactions, and synthetic has none" in done.error
        assert not list(Path("runs").glob("*"))
    auto, off = (distill(**{**HSTU, "student__time_bias": value}).result for value in ("auto", "off"))
    assert (auto["identity"], auto["test"]) == (off["identity"], off["test"])
    wrong = distill(**{**HSTU, "student__time_bias": "always"})
    assert (wrong.code, "student.time_bias" in wrong.error) == (2, True)


def test_serving(distilled: Callable[..., Outcome], rcekd: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Users of the data have vectors made of their times; the card says so; new users may bring theirs."""
    run_dir = distilled(**ON).result["run_dir"]
    assert rcekd("export", run_dir, "--to", "out", "--no-onnx", "--no-index").code == 0
    assert json.loads(Path("out/card.json").read_text())["reads_times"] is True
    assert "the last 10 items in order and of when they were met" in Path("out/model_card.md").read_text()

    def scores(*words: object, line: str = "1,2,5") -> tuple[list[float], str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line.encode())))
        done = rcekd("recommend", run_dir, "--history", "-", "-k", 60, "--seen", "none", "--json", *words)
        assert done.code == 0, done.err
        return [entry["score"] for entry in done.result["recommendations"][0]["items"]], done.err

    Path("when").write_text("1,2,90000000")
    Path("then").write_text("7,8,90000006")
    without, said = scores()
    warned = "histories are read without times here, and this model learnt with them"
    assert warned in said
    known, said = scores("--history-times", "when")
    assert warned not in said
    assert known != without
    assert scores("--history-times", "then")[0] == known
    Path("when").write_text("1,999,2,90000000")
    assert scores("--history-times", "when", "--skip-unknown", line="1,no such,2,5")[0] == known
    done = rcekd("recommend", run_dir, "--users", "1", "--history-times", "when")
    assert (done.code, "give --history too" in done.error) == (2, True)


def test_data_info_tells(rcekd: Command, tmp_path: Path) -> None:
    table = write_table(tmp_path / "rated.csv")
    assert rcekd("data", "info", table, "--json").result["times"] is True
    assert rcekd("data", "info", table, "--json", "--set", "data.columns.time=-").result["times"] is False
