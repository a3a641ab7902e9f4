"""Every command from start to end on small data: what it prints, writes and reuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.flows.conftest import Outcome, assignments

Command = Callable[..., Outcome]
METRICS = {"recall@10", "ndcg@10", "recall@20", "ndcg@20"}
SUMMARY = {
    "run_dir", "dataset", "seed", "epochs", "best_epoch", "seconds_per_epoch", "peak_rss_bytes", "valid", "test",
}  # fmt: skip


def check_summary(summary: dict[str, Any]) -> None:
    """All that the contract promises of train-teacher, distill and evaluate."""
    assert summary.keys() >= SUMMARY
    assert summary["dataset"].keys() >= {"name", "users", "items", "train", "valid", "test"}
    assert (summary["dataset"]["users"], summary["dataset"]["items"]) == (50, 80)
    for part in ("valid", "test"):
        assert summary[part].keys() == METRICS
        assert all(0.0 <= value <= 1.0 for value in summary[part].values())
    assert 0 <= summary["best_epoch"] < summary["epochs"]
    assert summary["seconds_per_epoch"] > 0
    assert 10 << 20 < summary["peak_rss_bytes"] < 64 << 30


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_distill(distill: Command) -> None:
    done = distill()
    assert done.code == 0
    summary = done.result
    check_summary(summary)
    for role, dim in (("teacher", 8), ("student", 3)):
        assert summary[role].keys() >= {"model", "dim", "parameters", "test"}
        assert (summary[role]["model"], summary[role]["dim"]) == ("mf", dim)
        assert summary[role]["parameters"] == dim * (50 + 80)
    assert summary["student"]["test"] == summary["test"]
    assert json.loads(Path(summary["run_dir"], "summary.json").read_text()) == summary
    assert "alone" not in summary
    assert "student, rcekd (mf 3)" in done.err
    assert "of test pairs concern items never trained on" in done.err


def test_the_run_folder(finished: Path) -> None:
    folder = finished
    summary = json.loads((folder / "summary.json").read_text())
    check_summary(summary)
    assert summary["run_dir"] == str(folder)
    assert files(folder) == {
        "config.yaml", "metrics.jsonl", "summary.json", "model.safetensors", "state/checkpoint.pt", "state/lock",
    }  # fmt: skip
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert all(line.keys() >= {"loss", "base_loss", "kd_loss", "overlap", "gamma", "valid", "phases"} for line in lines)
    best = max(lines, key=lambda line: line["valid"]["ndcg@10"])
    assert (best["epoch"], best["valid"]) == (summary["best_epoch"], summary["valid"])
    weights = load_file(folder / "model.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {"user": (50, 3), "item": (80, 3)}


def test_config_yaml_is_every_setting_and_gives_the_same_run_again(distill: Command, rcekd: Command) -> None:
    first = distill("--seed", 5).result
    config = Path(first["run_dir"]) / "config.yaml"
    values = yaml.safe_load(config.read_text())
    assert (values["seed"], values["student"]["dim"], values["method"]["K"]) == (5, 3, 10)
    assert values["train"].keys() >= {"epochs", "batch_size", "learning_rate", "weight_decay", "patience", "watch"}
    second = rcekd("distill", "--config", config, "--json").result
    assert second["run_dir"] != first["run_dir"]
    for key in ("identity", "valid", "test", "teacher"):
        assert second[key] == first[key]
    models = [Path(run["run_dir"]) / "model.safetensors" for run in (first, second)]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_the_same_command_again_reuses_the_teacher_and_makes_a_new_run(distill: Command) -> None:
    first, second = distill().result, distill().result
    assert first["run_dir"].endswith("-001")
    assert second["run_dir"].endswith("-002")
    assert first["teacher"] == second["teacher"]
    assert first["test"] == second["test"]


def test_another_seed_is_another_run(distill: Command) -> None:
    first, second = distill().result, distill("--seed", 1).result
    assert (first["seed"], second["seed"]) == (0, 1)
    assert first["identity"] != second["identity"]
    assert first["teacher"]["run_dir"] != second["teacher"]["run_dir"]


def test_with_scratch(distill: Command) -> None:
    done = distill("--with-scratch")
    summary = done.result
    assert "student alone (mf 3)" in done.err
    assert summary["alone"]["parameters"] == summary["student"]["parameters"]
    assert summary["alone"]["test"] != summary["teacher"]["test"]
    # Once it is there it is shown without being asked for.
    assert distill().result["alone"] == summary["alone"]


@pytest.mark.parametrize("method", ["none", "ce"])
def test_other_methods(distill: Command, method: str) -> None:
    summary = distill("--method", method, method__L=None, method__K=None if method == "none" else 10).result
    check_summary(summary)
    assert summary["method"]["name"] == method


def test_none_is_the_student_alone(distill: Command) -> None:
    alone = distill("--with-scratch").result["alone"]
    nothing = distill("--method", "none", method__L=None, method__K=None).result
    assert nothing["test"] == alone["test"]
    models = [Path(folder) / "model.safetensors" for folder in (alone["run_dir"], nothing["run_dir"])]
    first, second = (load_file(path) for path in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_teacher_from_a_run_folder(distill: Command) -> None:
    first = distill().result
    second = distill("--teacher", first["teacher"]["run_dir"], "--runs-dir", "elsewhere", teacher__dim=30).result
    assert second["teacher"] == first["teacher"]
    assert second["test"] == first["test"]
    assert [path.name for path in Path("elsewhere").iterdir()] == [Path(second["run_dir"]).name]
    # A distilled student can teach as well.
    third = distill("--teacher", first["run_dir"]).result
    assert third["teacher"]["dim"] == 3


def test_a_student_as_wide_as_a_given_teacher_does_not_start_from_its_numbers(distill: Command) -> None:
    """As where the settings name that teacher; what the run's config.yaml says of its teacher is the given one."""
    wide = {"teacher.dim": 3, "train.epochs": 2}
    named = distill(**wide).result
    given = distill("--teacher", named["teacher"]["run_dir"], **{"train.epochs": 2}).result
    configs = [yaml.safe_load(Path(run["run_dir"], "config.yaml").read_text()) for run in (named, given)]
    assert given["identity"] == named["identity"]
    assert given["test"] == named["test"]
    assert configs[1]["teacher"] == {**configs[0]["teacher"], "seed": 0}


def test_quiet_prints_nothing_but_errors(rcekd: Command, distill: Command) -> None:
    plain = rcekd("distill", "--dataset", "synthetic", "--quiet", *assignments())
    assert (plain.code, plain.out, plain.err) == (0, "", "")
    done = distill("--quiet")
    assert (done.code, done.err) == (0, "")
    check_summary(done.result)


def test_without_json_the_table_is_on_stdout(rcekd: Command) -> None:
    done = rcekd("distill", "--dataset", "synthetic", *assignments())
    assert done.code == 0
    assert "teacher (mf 8)" in done.out
    assert "run folder: runs/distill-synthetic-mf-mf-rcekd-s0-001" in done.out


def train_teacher(rcekd: Command, *words: object) -> Outcome:
    return rcekd(
        "train-teacher", "--dataset", "synthetic", "--json", *assignments(method__K=None, method__L=None), *words
    )


def test_train_teacher_twice_trains_once(rcekd: Command) -> None:
    first = train_teacher(rcekd)
    check_summary(first.result)
    model = Path(first.result["run_dir"]) / "model.safetensors"
    written = model.stat().st_mtime_ns
    second = train_teacher(rcekd)
    assert second.result == first.result
    assert model.stat().st_mtime_ns == written
    assert "epochs in" in first.err
    assert "epochs in" not in second.err


def test_distill_uses_the_teacher_that_train_teacher_made(rcekd: Command, distill: Command) -> None:
    teacher = train_teacher(rcekd).result
    assert distill().result["teacher"]["run_dir"] == teacher["run_dir"]


def test_train_is_short_for_the_teacher_s_train(rcekd: Command) -> None:
    words = [*assignments(method__K=None, method__L=None, teacher__train__epochs=None), "--set", "train.epochs=2"]
    assert rcekd("train-teacher", "--dataset", "synthetic", "--json", *words).result["epochs"] == 2


def test_evaluate_gives_the_numbers_of_the_run(rcekd: Command, finished: Path) -> None:
    run = json.loads((finished / "summary.json").read_text())
    for role in ("student", "teacher"):
        done = rcekd("evaluate", run[role]["run_dir"], "--json")
        assert done.code == 0
        check_summary(done.result)
        assert done.result["test"] == run[role]["test"]
        assert done.result["valid"] == run[role]["valid"]
        assert done.result["parameters"] == run[role]["parameters"]


def test_evaluate_by_other_protocols(rcekd: Command, distill: Command) -> None:
    folder = distill(data__synthetic__density=0.03).result["run_dir"]  # so sparse that few have a validation item
    plain = rcekd("evaluate", folder, "--json").result
    masked = rcekd("evaluate", folder, "--json", "--set", "eval.mask=train+valid").result
    some = rcekd("evaluate", folder, "--json", "--set", "eval.users=with-targets").result
    assert masked["protocol"] == {"mask": "train+valid", "users": "all", "history": "train"}
    assert masked["valid"] == plain["valid"]
    assert masked["test"]["recall@20"] >= plain["test"]["recall@20"]
    assert some["valid"]["recall@20"] > plain["valid"]["recall@20"]
    assert Path(folder, "summary.json").exists()
    by_file = rcekd("evaluate", folder, "--json", "--config", Path(folder, "config.yaml")).result
    assert (by_file["protocol"], by_file["test"]) == (plain["protocol"], plain["test"])


def test_data_list(rcekd: Command) -> None:
    done = rcekd("data", "list", "--json")
    assert {entry["name"] for entry in done.result["datasets"]} >= {
        "ml-100k", "ml-1m", "citeulike", "gowalla", "yelp", "synthetic",
    }  # fmt: skip
    assert "citeulike" in rcekd("data", "list").out


@pytest.mark.parametrize("command", ["info", "prepare"])
def test_data_info_and_prepare(rcekd: Command, command: str) -> None:
    small = [part for part in assignments() if "synthetic" in part]
    words = [word for part in small for word in ("--set", part)]
    done = rcekd("data", command, "synthetic", "--json", *words)
    assert done.code == 0
    assert done.result.keys() >= {"name", "users", "items", "train", "valid", "test", "cold_test_share"}
    assert "cold test share" in done.err
    assert rcekd("data", command, "--dataset", "synthetic", "--json", *words).result == done.result


def test_threads_do_not_change_a_byte(distill: Command) -> None:
    models = [
        Path(distill("--threads", threads, "--runs-dir", f"runs{threads}").result["run_dir"]) / "model.safetensors"
        for threads in (1, 2)
    ]
    assert models[0].read_bytes() == models[1].read_bytes()


@pytest.mark.parametrize("words", [[], ["--help"], ["distill", "--help"], ["data", "--help"]])
def test_help(rcekd: Command, words: list[str]) -> None:
    done = rcekd(*words)
    assert (done.code, done.err) == (0, "")
    assert "Usage" in done.out


def test_a_run_is_gone_on_with_from_inside(finished: Path, rcekd: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its teacher lies beside it, wherever the command is given."""
    for name in ("summary.json", "model.safetensors", "state/checkpoint.pt"):
        (finished / name).unlink()
    before = sorted(Path("runs").iterdir())
    place = Path.cwd()
    monkeypatch.chdir(finished)
    done = rcekd("distill", "--resume", ".", "--json", "--threads", 1)
    assert done.code == 0, done.err
    assert Path(done.result["run_dir"]) == place / finished
    for command in ("evaluate", "analyze"):
        found = rcekd(command, ".", "--json", "--threads", 1)
        assert found.code == 0, found.err
        assert Path(found.result["run_dir"]) == place / finished
    monkeypatch.chdir(place)
    assert sorted(Path("runs").iterdir()) == before
    assert not list(finished.glob("teacher-*"))


def test_a_resumed_run_is_shown_as_what_it_is(finished: Path, rcekd: Command) -> None:
    """By either command, as --resume goes on with a run of any kind."""
    teacher = next(finished.parent.glob("teacher-*"))
    for command in ("train-teacher", "distill"):
        assert "student, rcekd (mf 3)" in rcekd(command, "--resume", finished, "--threads", 1).out
        assert "teacher (mf 8), synthetic" in rcekd(command, "--resume", teacher, "--threads", 1).out
