"""Whole commands with --device cuda, which is the pretend device here: what they leave is what the CPU leaves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from rcekd.devices import CPU
from rcekd.experiments.analysing import analyse
from rcekd.experiments.place import Place
from tests.devices.pretend import Pretend
from tests.flows.conftest import Outcome
from tests.flows.test_run import GRID, table

Command = Callable[..., Outcome]


def models(runs: Path) -> dict[str, bytes]:
    """Every trained model below a folder of runs."""
    return {str(path.parent.relative_to(runs)): path.read_bytes() for path in runs.rglob("model.safetensors")}


def same_on_both(distill: Command, *words: object, **changes: Any) -> list[Outcome]:
    """Asserts that a distillation trains the same models from nothing on both devices, and judges them alike."""
    outcomes = []
    for device in ("cpu", "cuda"):
        outcomes.append(distill(*words, "--device", device, "--runs-dir", device, **changes))
        assert outcomes[-1].code == 0, outcomes[-1].err
    found, expected = models(Path("cuda")), models(Path("cpu"))
    assert len(expected) > 0
    assert found == expected
    for part in ("valid", "test"):
        assert outcomes[1].result[part] == outcomes[0].result[part]
    return outcomes


@pytest.mark.usefixtures("pretend")
def test_distill_says_where_it_ran(distill: Command) -> None:
    on_cpu, on_device = same_on_both(distill, "--with-scratch", method__mask="train")
    assert on_cpu.result["device"] == "cpu"
    assert on_device.result["device"] == "pretend"
    assert on_device.result["peak_device_bytes"] is None  # no figure of CUDA's


FROM_THE_TEACHER = {
    "hetcomp": {"method__p": 1, "method__L": None, "method__depth": 8},
    "bd": {"method__K": None, "method__L": None},
    "tarec": {},
    "rcekd+de": {"method__K": None, "method__L": None, "method__rcekd.K": 10, "method__rcekd.L": 10, "method__de.E": 3},
}


@pytest.mark.usefixtures("pretend")
@pytest.mark.parametrize("method", FROM_THE_TEACHER)
def test_what_a_teacher_gives_is_on_the_device(distill: Command, method: str) -> None:
    """A trajectory, a live model, an assistant, factors and lists."""
    same_on_both(distill, "--method", method, **FROM_THE_TEACHER[method])


@pytest.mark.usefixtures("pretend")
def test_several_teachers_at_a_temperature_of_their_own(distill: Command) -> None:
    for dim in (6, 8):
        assert distill("--method", "none", "--with-scratch", teacher__dim=dim, method__K=None, method__L=None).code == 0
    given = [str(path) for path in sorted(Path("runs").glob("teacher-*"))]
    assert len(given) == 2
    words = [word for path in given for word in ("--teacher", path)]
    same_on_both(distill, *words, teacher__mix="per-user", teacher__temperature="auto")


@pytest.mark.usefixtures("pretend")
def test_a_teacher_of_lists(distill: Command, rcekd: Command) -> None:
    rows = [(user, item, -rank) for user in range(50) for rank, item in enumerate(range(user % 7, 80, 3))]
    pl.DataFrame(rows, schema=["user", "item", "score"], orient="row").write_csv("lists.csv")
    data = [word for key in ("users=50", "items=80", "density=0.15") for word in ("--set", f"data.synthetic.{key}")]
    made = rcekd("import-teacher", "lists.csv", "--dataset", "synthetic", *data, "--max-missing", 1, "--json")
    assert made.code == 0, made.err
    same_on_both(distill, "--teacher", made.result["run_dir"], method__mask="train")


@pytest.mark.usefixtures("pretend")
def test_a_finished_run_is_judged_on_either_device(distill: Command, rcekd: Command) -> None:
    run = distill("--device", "cpu").result["run_dir"]
    for protocol in ("train", "train+valid"):
        asked = ["evaluate", run, "--set", f"eval.mask={protocol}", "--json"]
        expected, found = (rcekd(*asked, "--device", device).result for device in ("cpu", "cuda"))
        assert found["test"] == expected["test"]
        assert found["device"] == "pretend"


def test_a_profile_is_of_the_device(pretend: Pretend, rcekd: Command) -> None:
    small = [word for key in ("users=50", "items=80") for word in ("--set", f"data.synthetic.{key}")]
    small += [word for key in ("method.K=5", "method.L=5", "teacher.dim=6") for word in ("--set", key)]
    found = rcekd("profile", "--dataset", "synthetic", *small, "--epochs", 1, "--device", "cuda", "--json")
    assert found.code == 0, found.err
    assert found.result["device"] == "pretend"
    assert min(found.result["peaks"].values()) > 0
    assert found.result["phases"]["closure"]["flops"] == 2 * 50 * 80 * 20
    assert "on pretend; every phase waits" in found.err
    assert "epoch, phase by phase" in found.err
    assert len(found.result["epoch_seconds"]) == found.result["epochs"] == 1
    assert sum(phase["share"] for phase in found.result["phases"].values()) == pytest.approx(1.0, abs=0.2)
    assert found.result["phased_seconds_per_epoch"] != found.result["seconds_per_epoch"]
    assert sum(pretend.waits().values()) > 0


@pytest.mark.usefixtures("pretend")
def test_what_computes_on_the_cpu_takes_no_other_device(distill: Command, rcekd: Command) -> None:
    run = distill("--device", "auto", train__epochs=1, teacher__train__epochs=1).result["run_dir"]
    for words in (["analyze", run], ["recommend", run, "--users", 1], ["export", run, "--to", "out"]):
        refused = rcekd(*words, "--device", "cuda")
        assert refused.code == 2
        assert refused.error.endswith(f"{words[0]} computes on the CPU; leave --device out")


def test_an_analysis_is_of_the_run_wherever_it_is_made(pretend: Pretend, distill: Command) -> None:
    found = []
    for word, device in (("cpu", CPU), ("cuda", pretend.device)):
        run = distill("--device", word, "--runs-dir", word, "--keep-trajectory").result["run_dir"]
        analysis = analyse(Path(run), Place(Path(word), device=device))
        found.append({key: value for key, value in analysis.items() if key not in ("run_dir", "teacher")})
    assert found[0] == found[1]


@pytest.mark.usefixtures("pretend")
def test_an_experiment_runs_on_the_device(rcekd: Command, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**GRID, "seeds": [0]}))
    found = []
    for device in ("cpu", "cuda"):
        assert rcekd("run", "small.yaml", "--device", device, "--runs-dir", device, "--threads", 1).code == 0
        found.append(table(Path(device) / "experiments" / "small"))
    assert found[0]
    assert found[0] == found[1]
