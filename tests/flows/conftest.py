"""Whole commands, in this process: what they print, and the code they end with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rcekd.commands.application import run
from rcekd.training.early_stopping import BestEpoch

# 50 users × 80 items, a few epochs: a whole distillation in a fraction of a second.
SMALL = {
    "data.synthetic.users": 50,
    "data.synthetic.items": 80,
    "data.synthetic.density": 0.15,
    "teacher.dim": 8,
    "teacher.train.epochs": 4,
    "teacher.train.learning_rate": 0.01,
    "teacher.train.batch_size": 64,
    "student.dim": 3,
    "train.epochs": 4,
    "train.learning_rate": 0.01,
    "train.batch_size": 64,
}
LISTS = {"method.K": 10, "method.L": 10}


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        (line,) = self.out.splitlines()
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> str:
        """The one line on stderr."""
        (line,) = self.err.splitlines()
        return line


def assignments(**changes: Any) -> list[str]:
    """--set options of a small run; `method__K=5` stands for method.K=5, None takes a setting out."""
    values = {**SMALL, **LISTS, **{key.replace("__", "."): value for key, value in changes.items()}}
    return [part for key, value in values.items() if value is not None for part in ("--set", f"{key}={value}")]


def check_resumes(distil: Callable[[], Outcome], rcekd: Callable[..., Outcome]) -> None:
    """A distillation that is stopped in its third epoch, and goes on, ends with the bytes of a whole one."""
    whole = Path(distil().result["run_dir"])
    update, calls = BestEpoch.update, iter(range(100))

    def stop(self: BestEpoch, *arguments: Any) -> bool:
        if next(calls) == 2:
            raise RuntimeError("stopped")
        return update(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BestEpoch, "update", stop)
        assert distil().code == 1
    (stopped,) = set(Path("runs").glob("distill-*")) - {whole}
    assert len((stopped / "metrics.jsonl").read_text().splitlines()) == 2
    assert rcekd("distill", "--resume", stopped, "--threads", 1, "--quiet").code == 0
    assert (stopped / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.fixture(autouse=True)
def _caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Prepared data goes to a folder of the tests' own; relative paths are inside the test's folder."""
    monkeypatch.setenv("RCEKD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("RCEKD_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def rcekd(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line, given in words."""

    def invoke(*words: object) -> Outcome:
        capfd.readouterr()
        code = run([str(word) for word in words])
        return Outcome(code, *capfd.readouterr())

    return invoke


@pytest.fixture
def distill(rcekd: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Distil on the small synthetic dataset into ./runs, with --json."""

    def invoke(*words: object, **changes: Any) -> Outcome:
        threads = [] if "--threads" in words else ["--threads", 1]  # tables this small are no work for two
        return rcekd("distill", "--dataset", "synthetic", "--json", *threads, *assignments(**changes), *words)

    return invoke


@pytest.fixture(scope="session")
def finished_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ./runs of one distillation, made once: to be copied, not touched."""
    place = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RCEKD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
        patch.chdir(place)
        assert run(["distill", "--dataset", "synthetic", "--quiet", "--threads", "1", *assignments()]) == 0
    return place / "runs"


@pytest.fixture
def finished(finished_runs: Path, tmp_path: Path) -> Path:
    """The run folder of a finished distillation below ./runs, the teacher's beside it; the test's own to spoil."""
    shutil.copytree(finished_runs, tmp_path / "runs")
    return Path("runs/distill-synthetic-mf-mf-rcekd-s0-001")
