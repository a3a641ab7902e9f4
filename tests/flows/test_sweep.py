"""`rcekd sweep`: goes on where it was, shares one study, tells what was best and never reads the test set."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rcekd.training.run_folder import RunFolder
from tests.flows.conftest import Outcome, assignments

pytest.importorskip("optuna", reason="the sweep extra is not installed")
Command = Callable[..., Outcome]
SPACE = "method.lambda: {low: 0.01, high: 100.0, log: true}\nmethod.K: [5, 10]\n"


@pytest.fixture
def sweep(rcekd: Command, tmp_path: Path) -> Command:
    (tmp_path / "space.yaml").write_text(SPACE)
    words = ["sweep", "--dataset", "synthetic", "--json", "--threads", 1, "--method", "ce", "--space", "space.yaml"]
    return lambda *more: rcekd(*words, *assignments(method__L=None), *more)


def test_a_study_is_made_gone_on_with_and_then_only_read(sweep: Command, rcekd: Command) -> None:
    first = sweep("--trials", 2).result
    both = sweep("--trials", 4).result
    assert both["sweep_dir"] == first["sweep_dir"]
    assert both["trials"][:2] == first["trials"]
    assert len(both["trials"]) == 4
    assert both["trials"][0]["point"] == {"method.lambda": 1.0, "method.K": 10}, "the settings given come first"
    assert sweep("--trials", 4).result == both
    done = [trial for trial in both["trials"] if trial["state"] == "complete"]
    assert both["best"] == max(done, key=lambda trial: trial["value"])
    for trial in done:
        summary = json.loads(Path(trial["run_dir"], "summary.json").read_text())
        assert trial["value"] == summary["valid"]["ndcg@10"]
    best = Path(both["sweep_dir"], "best.yaml")
    assert yaml.safe_load(best.read_text())["method"]["lambda"] == both["best"]["point"]["method.lambda"]
    again = rcekd("distill", "--config", best, "--json", "--threads", 1).result
    assert again["valid"]["ndcg@10"] == both["best"]["value"]


def test_a_trial_whose_process_died_is_taken_up(sweep: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second trial is cut short, as by kill -9, after its run folder was made."""
    real, calls = RunFolder.append_metrics, []

    def dying(self: RunFolder, line: dict[str, object]) -> None:
        calls.append(self.path)
        if sum("distill" in path.name for path in calls) == 6:
            raise SystemExit(9)
        real(self, line)

    monkeypatch.setattr(RunFolder, "append_metrics", dying)
    with pytest.raises(SystemExit):
        sweep("--trials", 3)
    monkeypatch.setattr(RunFolder, "append_metrics", real)
    found = sweep("--trials", 3).result
    assert [trial["state"] for trial in found["trials"]].count("running") == 0
    assert len({trial["run_dir"] for trial in found["trials"]}) == len(found["trials"]) == 3


def test_without_a_validation_pair_there_is_nothing_to_choose_by(sweep: Command) -> None:
    done = sweep("--trials", 1, "--set", "data.valid_share=0")
    assert (done.code, done.out, Path("runs").exists()) == (2, "", False)
    assert "no interaction is held out for validation" in done.error


def test_a_point_that_the_settings_refuse_is_one_line(rcekd: Command, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("method.lamda: [1, 2]\n")
    done = rcekd("sweep", "--dataset", "synthetic", "--method", "ce", "--space", "space.yaml", "--trials", 1)
    assert done.code == 2
    assert "unknown setting 'method.lamda' (from the search space); did you mean 'lambda'" in done.error
