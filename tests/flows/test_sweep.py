"""`rcekd sweep`: goes on where it was, shares one study, tells what was best and never reads the test set."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from rcekd.experiments.claims import claim
from rcekd.experiments.runs import POLL_SECONDS
from rcekd.training.run_folder import BusyFolder, RunFolder
from tests.flows.conftest import LISTS, Outcome, assignments

pytest.importorskip("optuna", reason="the sweep extra is not installed")
Command = Callable[..., Outcome]
SPACE = "method.lambda: {low: 0.01, high: 100.0, log: true}\nmethod.K: [5, 10]\n"


def study_in(folder: Path) -> Any:
    """The study of a sweep folder, as any process may open it."""
    optuna = pytest.importorskip("optuna")
    file = optuna.storages.journal.JournalFileBackend(str(folder / "study.jsonl"))
    return optuna.load_study(study_name="sweep", storage=optuna.storages.JournalStorage(file))


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


def test_no_point_comes_twice_and_a_study_gone_on_with_is_that_of_one_go(sweep: Command) -> None:
    sweep("--trials", 3)
    found, whole = sweep("--trials", 5).result, sweep("--trials", 5, "--runs-dir", "others").result
    points = [trial["point"] for trial in found["trials"]]
    assert len({point["method.lambda"] for point in points}) == 5
    assert points == [trial["point"] for trial in whole["trials"]]


def test_a_trial_waits_for_the_teacher_that_another_process_trains(
    sweep: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, slept = RunFolder.lock, list[float]()

    def busy(self: RunFolder) -> None:
        if self.path.name.startswith("teacher-") and not slept:
            raise BusyFolder(f"{self.path}: another process is running in this folder; wait for it to end")
        real(self)

    monkeypatch.setattr(RunFolder, "lock", busy)
    monkeypatch.setattr("rcekd.experiments.runs.time", SimpleNamespace(sleep=slept.append))
    done = sweep("--trials", 1)
    assert (done.code, slept) == (0, [POLL_SECONDS])
    assert "trial 0 waits: " in done.err
    assert [trial["state"] for trial in done.result["trials"]] == ["complete"]


def test_a_trial_asked_for_by_a_process_that_died_is_taken_up_and_a_live_one_s_is_not(sweep: Command) -> None:
    folder = Path(sweep("--trials", 1).result["sweep_dir"])
    study = study_in(folder)
    numbers = [study.ask().number for _ in range(2)]
    with claim(folder / "claims" / str(numbers[1])) as ours:
        assert ours
        states = [trial["state"] for trial in sweep("--trials", 3).result["trials"]]
    assert states[0] == states[numbers[0]] == "complete"
    assert states[numbers[1]] == "running"
    assert "running" not in {trial["state"] for trial in sweep("--trials", 3).result["trials"]}


def test_a_trial_that_is_refused_has_failed_and_does_not_use_up_the_study(sweep: Command, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("method.K: [0]\n")
    for _ in range(2):
        done = sweep("--trials", 1)
        assert done.code == 2
        assert "K=0" in done.err.splitlines()[-1]
    (folder,) = Path("runs").glob("sweep-*")
    assert [trial.state.name for trial in study_in(folder).get_trials()] == ["FAIL", "FAIL"]


def test_other_teachers_are_another_study(sweep: Command, rcekd: Command) -> None:
    words = ["train-teacher", "--dataset", "synthetic", "--json", "--threads", 1, *assignments(**dict.fromkeys(LISTS))]
    teachers = [rcekd(*words, "--seed", seed).result["run_dir"] for seed in (0, 1)]
    folders = [sweep("--trials", 1, "--teacher", teacher).result["sweep_dir"] for teacher in teachers]
    folders.append(sweep("--trials", 1).result["sweep_dir"])
    assert len(set(folders)) == 3
    shutil.move(teachers[0], "elsewhere")
    assert sweep("--trials", 1, "--teacher", "elsewhere").result["sweep_dir"] == folders[0], "the place does not matter"


def test_the_best_point_is_distilled_from_the_teacher_of_the_study(sweep: Command, rcekd: Command) -> None:
    words = ["train-teacher", "--dataset", "synthetic", "--json", "--threads", 1, *assignments(**dict.fromkeys(LISTS))]
    teacher = rcekd(*words, "--seed", 5).result["run_dir"]
    found = sweep("--trials", 1, "--teacher", teacher).result
    distilled = ("distill", "--json", "--threads", 1, "--config")
    first = rcekd(*distilled, Path(found["sweep_dir"], "best.yaml")).result
    assert Path(first["teacher"]["run_dir"]).name == Path(teacher).name
    assert first["valid"]["ndcg@10"] == found["best"]["value"]
    again = rcekd(*distilled, Path(first["run_dir"], "config.yaml")).result
    assert Path(again["teacher"]["run_dir"]).name == Path(teacher).name, "a run's config.yaml is a --config file"
    shutil.move(teacher, "elsewhere")
    other = rcekd(*distilled, Path(first["run_dir"], "config.yaml"), "--teacher", "mf").result
    assert other["test"] == first["test"], "its settings train the same teacher again"
    mixed = rcekd(*distilled, Path(first["run_dir"], "config.yaml"), "--set", "teacher.dim=9")
    assert mixed.code == 2
    assert "--set teacher.dim=9: " in mixed.error
    assert "give --teacher NAME to train another" in mixed.error


def test_other_data_is_another_study(sweep: Command) -> None:
    pairs = [(user, item) for user in range(40) for item in range(60) if (user * 7 + item * 3) % 5 == 0]
    folders = set()
    for more in (0, 1):
        Path("own.csv").write_text("user,item\n" + "".join(f"{user},{item + more}\n" for user, item in pairs[more:]))
        folders.add(sweep("--trials", 1, "--dataset", "own.csv").result["sweep_dir"])
    assert len(folders) == 2


def test_a_journal_that_a_full_disk_cut_short_goes_on(sweep: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    optuna = pytest.importorskip("optuna")
    # Seconds until a lock that nobody gives back is broken: 30 of optuna's own.
    monkeypatch.setattr(optuna.storages.journal.JournalFileSymlinkLock.__init__, "__defaults__", (3,))
    first = sweep("--trials", 1).result
    journal = Path(first["sweep_dir"], "study.jsonl")
    with journal.open("a") as file:
        file.write('{"op_code": 8, "wor')
    os.symlink(journal.absolute(), f"{journal}.lock")  # left behind too
    for trials in (2, 3):
        found = sweep("--trials", trials)
        assert found.code == 0, found.err
        assert found.result["trials"][:1] == first["trials"]
        assert len(found.result["trials"]) == trials


@pytest.mark.parametrize("line", ['{"op_code": 0', "{}", "[1]", "7", "null"])
def test_a_journal_broken_in_the_middle_is_one_line(sweep: Command, line: str) -> None:
    journal = Path(sweep("--trials", 1).result["sweep_dir"], "study.jsonl")
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], line, *lines[2:]]) + "\n")
    done = sweep("--trials", 2)
    assert done.code == 2
    assert "study.jsonl: damaged" in done.error


def test_a_variant_that_is_searched_brings_its_defaults(sweep: Command, tmp_path: Path) -> None:
    (tmp_path / "variants.yaml").write_text("method.variant: [interactions, neighbours]\n")
    words = ("--method", "freqd", "--space", "variants.yaml", "--trials", 6, "--no-prune", "--set", "method.alpha=0.3")
    found = sweep(*words).result["trials"]
    configs = [yaml.safe_load(Path(trial["run_dir"], "config.yaml").read_text())["method"] for trial in found]
    assert {config["variant"]: config["first"] for config in configs} == {
        "interactions": "filter",
        "neighbours": "projector",
    }
    assert {config["alpha"] for config in configs} == {0.3}, "what was given stays"


def test_without_a_validation_pair_there_is_nothing_to_choose_by(sweep: Command) -> None:
    done = sweep("--trials", 1, "--set", "data.valid_share=0")
    assert (done.code, done.out, Path("runs").exists()) == (2, "", False)
    assert "no interaction is held out for validation" in done.error


def test_a_point_that_the_settings_refuse_is_one_line(rcekd: Command, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("method.lamda: [1, 2]\n")
    done = rcekd("sweep", "--dataset", "synthetic", "--method", "ce", "--space", "space.yaml", "--trials", 1)
    assert done.code == 2
    assert "unknown setting 'method.lamda' (from the search space space.yaml); did you mean 'lambda'" in done.error
    assert not Path("runs").exists()


def test_a_space_is_fitted_to_the_data(rcekd: Command) -> None:
    pairs = [(user, (user * 7 + step * 3) % 60) for user in range(40) for step in range(12)]
    Path("own.csv").write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in pairs))
    small = [f"--set={key}" for key in ("train.epochs=1", "teacher.train.epochs=1", "teacher.dim=4", "student.dim=2")]
    words = ("sweep", "--dataset", "own.csv", "--method", "rcekd", "--trials", 6, "--threads", 1, "--json", *small)
    found = rcekd(*words)
    assert found.code == 0, found.err
    assert Path(found.result["sweep_dir"]).name.startswith("sweep-own-mf-mf-rcekd-")
    assert max(trial["point"]["method.K"] for trial in found.result["trials"]) <= 60
    Path("space.yaml").write_text("method.K: [50, 61]\n")
    refused = rcekd(*words, "--space", "space.yaml")
    assert refused.code == 2
    assert refused.error.endswith("space.yaml: method.K=61 is more than the 60 items of own; give at most 60")
