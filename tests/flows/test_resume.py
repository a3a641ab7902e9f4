"""Killed at any moment and resumed, a run ends in the same bytes; interrupted, it says how to go on."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.flows.conftest import assignments

TIMINGS = ("seconds", "phases")
DISTILL = [
    "distill", "--dataset", "synthetic", "--json", "--threads", "1",
    *assignments(train__checkpoint_seconds=0, teacher__train__checkpoint_seconds=0),
]  # fmt: skip
RESUME = ["distill", "--json", "--threads", "1", "--resume", "FOLDER"]
# Counted once: for each of the two, 4 epochs of 8 steps and a line of metrics, and two moments a file.
TEACHER, STUDENT = range(1, 55), range(55, 105)


Carrier = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def carry_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carrier]:
    """Carries out plans of stopping.py, in one process that has imported everything once."""
    cache = tmp_path_factory.mktemp("cache")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RCEKD_CACHE_DIR": str(cache)}
    words = [sys.executable, "-m", "tests.flows.stopping"]
    with subprocess.Popen(words, env=environment, stdin=PIPE, stdout=PIPE, text=True, cwd=cache) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def carry(plan: list[dict[str, Any]]) -> list[dict[str, Any]]:
            print(json.dumps(plan), file=told, flush=True)
            found = json.loads(heard.readline())
            assert isinstance(found, list)
            return found

        yield carry
        told.close()


def step(place: Path, words: list[str], **how: Any) -> dict[str, Any]:
    return {"place": str(place), "words": words, "otherwise": DISTILL, **how}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, carry_out: Carrier) -> Path:
    """A place where the distillation ran through, undisturbed."""
    place = tmp_path_factory.mktemp("whole")
    (outcome,) = carry_out([step(place, DISTILL)])
    assert outcome["code"] == 0
    return place


def newest(place: Path, stem: str) -> Path:
    return sorted(place.glob(f"runs/{stem}-*/config.yaml"))[-1].parent


def metrics(folder: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key not in TIMINGS} for line in lines]


def check_same_end(place: Path, whole: Path) -> None:
    """Teacher and student as if nothing had happened, and nothing half-written beside them."""
    for stem in ("teacher", "distill"):
        found, wanted = newest(place, stem), newest(whole, stem)
        assert (found / "model.safetensors").read_bytes() == (wanted / "model.safetensors").read_bytes()
        assert metrics(found) == metrics(wanted)
        assert not list(found.rglob("*.part"))
        summaries = [json.loads((folder / "summary.json").read_text()) for folder in (found, wanted)]
        for key in ("epochs", "best_epoch", "valid", "test", "identity", "seed", "dataset"):
            assert summaries[0][key] == summaries[1][key]
    assert {"teacher", "student"} <= json.loads((newest(place, "distill") / "summary.json").read_text()).keys()


def check_kills(moments: list[int], tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    plan = []
    for moment in moments:
        place = tmp_path / f"moment-{moment}"
        plan.append(step(place, DISTILL, signal=signal.SIGKILL, moment=moment))
        plan.append(step(place, RESUME))
    outcomes = carry_out(plan)
    assert [outcome["code"] for outcome in outcomes] == [-signal.SIGKILL, 0] * len(moments), outcomes
    for moment in moments:
        check_same_end(tmp_path / f"moment-{moment}", whole)


def test_killed_while_the_teacher_trains(tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    check_kills(random.Random(1).sample(TEACHER, 4), tmp_path, whole, carry_out)


def test_killed_while_the_student_trains(tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    check_kills(random.Random(2).sample(STUDENT, 5), tmp_path, whole, carry_out)


@pytest.mark.slow
def test_killed_at_every_moment(tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    check_kills([*TEACHER, *STUDENT], tmp_path, whole, carry_out)


def test_killed_again_and_again(tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    dice = random.Random(3)
    plan = [step(tmp_path, DISTILL, signal=signal.SIGKILL, moment=50)]
    plan += [step(tmp_path, RESUME, signal=signal.SIGKILL, moment=dice.randrange(8, 30)) for _ in range(4)]
    outcomes = carry_out([*plan, step(tmp_path, RESUME)])
    assert [outcome["code"] for outcome in outcomes] == [-signal.SIGKILL] * 5 + [0], outcomes
    check_same_end(tmp_path, whole)


def test_killed_from_outside_whenever(tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    """Wherever the clock happens to strike, before the first file or after the last."""
    dice, plan = random.Random(4), []
    for number in range(4):
        plan.append(step(tmp_path / str(number), DISTILL, signal=signal.SIGKILL, after=dice.uniform(0.02, 0.4)))
        plan.append(step(tmp_path / str(number), RESUME))
    outcomes = carry_out(plan)
    assert [outcome["code"] for outcome in outcomes[1::2]] == [0] * 4, outcomes
    for number in range(4):
        check_same_end(tmp_path / str(number), whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", [25, 85])
def test_interrupted(tmp_path: Path, whole: Path, carry_out: Carrier, number: int, moment: int) -> None:
    stopped, resumed = carry_out([step(tmp_path, DISTILL, signal=number, moment=moment), step(tmp_path, RESUME)])
    assert (stopped["code"], stopped["out"]) == (130, "")
    last = stopped["err"].splitlines()[-1]
    assert "state saved; go on with --resume runs/distill-synthetic-mf-mf-rcekd-s0-001" in last
    assert "Traceback" not in stopped["err"]
    assert resumed["code"] == 0
    assert "going on after epoch" in resumed["err"]
    check_same_end(tmp_path, whole)


def test_a_second_process_in_the_same_folder(tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    held, second = carry_out([step(tmp_path, DISTILL, signal=signal.SIGSTOP, moment=85), step(tmp_path, RESUME)])
    assert (second["code"], second["out"]) == (2, "")
    (line,) = second["err"].splitlines()
    assert "another process is running in this folder" in line
    assert held["code"] == 0
    check_same_end(tmp_path, whole)


def test_two_distillations_that_need_the_same_teacher(tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    """The second waits for the first, which stands still in its teacher; killed at that, it goes on later."""
    first = step(tmp_path, DISTILL, signal=signal.SIGSTOP, moment=25)
    held, second, resumed = carry_out(
        [first, step(tmp_path, DISTILL, signal=signal.SIGKILL, after=4), step(tmp_path, RESUME)]
    )
    assert second["code"] == -signal.SIGKILL
    (waits,) = second["err"].splitlines()
    assert "waits" in waits
    assert "teacher-synthetic-mf8-s0" in waits
    assert "another process is running in this folder" in waits
    assert (held["code"], resumed["code"]) == (0, 0)
    for number in ("001", "002"):
        model = tmp_path / f"runs/distill-synthetic-mf-mf-rcekd-s0-{number}/model.safetensors"
        assert (
            model.read_bytes() == (whole / "runs/distill-synthetic-mf-mf-rcekd-s0-001/model.safetensors").read_bytes()
        )


def test_resuming_what_is_finished_only_reads_it(whole: Path, carry_out: Carrier) -> None:
    before = {path: path.stat().st_mtime_ns for path in newest(whole, "distill").rglob("*")}
    (again,) = carry_out([step(whole, RESUME)])
    assert again["code"] == 0
    assert json.loads(again["out"]) == json.loads((newest(whole, "distill") / "summary.json").read_text())
    assert {path: path.stat().st_mtime_ns for path in newest(whole, "distill").rglob("*")} == before


def test_resuming_a_teacher(tmp_path: Path, whole: Path, carry_out: Carrier) -> None:
    words = ["train-teacher", *DISTILL[1:]]
    (killed,) = carry_out([step(tmp_path, words, signal=signal.SIGKILL, moment=25)])
    assert killed["code"] == -signal.SIGKILL
    teacher = newest(tmp_path, "teacher")
    resume = ["train-teacher", "--json", "--resume", str(teacher.relative_to(tmp_path))]
    (done,) = carry_out([step(tmp_path, resume)])
    assert done["code"] == 0
    assert (teacher / "model.safetensors").read_bytes() == (newest(whole, "teacher") / "model.safetensors").read_bytes()
