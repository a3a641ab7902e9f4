"""`rcekd config show`: what a command line resolves to, where it comes from, and the file that says the same."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rcekd.provenance import DEFAULT, Sourced, sources
from tests.flows.conftest import Outcome

Command = Callable[..., Outcome]


def test_every_value_has_its_source(rcekd: Command) -> None:
    Path("mine.yaml").write_text("train: {epochs: 7, patience: 5}\nmethod: {beta: 2}\n")
    words = ["--config", "mine.yaml", "--set", "train.patience=9", "--set", "method.gamma.value=0.25", "--seed", 4]
    found = rcekd("config", "show", *words, "--json").result
    assert found["settings"]["train"] | {"epochs": 7, "patience": 9} == found["settings"]["train"]
    expected = {
        "dataset": "default",
        "seed": "flag",
        "teacher.dim": "preset",
        "teacher.model": "default",
        "train.epochs": "mine.yaml",
        "train.patience": "--set train.patience=9",
        "train.weight_decay": "preset",
        "method.name": "default",
        "method.lambda": "preset",
        "method.beta": "mine.yaml",
        "method.gamma.value": "--set method.gamma.value=0.25",
        "method.gamma.shape": "default",
        "eval.mask": "default",
    }
    assert {key: found["sources"][key] for key in expected} == expected
    assert found["preset"].startswith("MovieLens 100k")


def test_it_shows_a_table_with_what_the_preset_was_chosen_by(rcekd: Command) -> None:
    shown = rcekd("config", "show", "--dataset", "citeulike", "--method", "rcekd", "--set", "data.user_core=3")
    assert shown.code == 0
    rows = {line.split("│")[1].strip(): line.split("│")[2:4] for line in shown.out.splitlines() if "│" in line}
    assert [cell.strip() for cell in rows["method.lambda"]] == ["500.0", "preset"]
    assert [cell.strip() for cell in rows["data.split"]] == ["null", "the dataset's own: reference"]
    assert [cell.strip() for cell in rows["data.user_core"]] == ["3", "--set data.user_core=3"]
    assert [cell.strip() for cell in rows["method.name"]] == ["rcekd", "flag"]
    assert "chosen on validation NDCG@10" in shown.out


def test_a_dataset_without_a_preset_has_no_words_about_it(rcekd: Command) -> None:
    assert rcekd("config", "show", "--dataset", "synthetic", "--json").result["preset"] is None


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--dataset", "citeulike", "--method", "rcekd+ce", "--set", "method.ce.K=7", "--seed", "3"],
        ["--dataset", "gowalla", "--set", "method.variant=paper", "--set", "teacher.seed=5"],
        ["--method", "ce", "--set", "data.split=random", "--set", "student.dim=7"],
    ],
    ids=["nothing given", "a combination", "another variant", "another method"],
)
def test_the_file_it_prints_resolves_to_the_same(rcekd: Command, words: list[str]) -> None:
    printed = rcekd("config", "show", *words, "--yaml")
    assert (printed.code, printed.err) == (0, "")
    Path("all.yaml").write_text(printed.out)
    again = rcekd("config", "show", "--config", "all.yaml", "--json").result
    assert again["settings"] == rcekd("config", "show", *words, "--json").result["settings"]
    assert set(again["sources"].values()) == {"all.yaml"}
    assert rcekd("config", "show", "--config", "all.yaml", "--yaml").out == printed.out


def test_a_file_that_can_be_read_once_is_read_once(rcekd: Command) -> None:
    read, write = os.pipe()
    os.write(write, b"train: {epochs: 3}")
    os.close(write)
    shown = rcekd("config", "show", "--config", f"/dev/fd/{read}", "--json")
    os.close(read)
    assert shown.result["settings"]["train"]["epochs"] == 3


def test_the_file_it_prints_names_the_teachers_folders(rcekd: Command) -> None:
    for name in ("a", "b"):
        Path(name).mkdir()
    printed = rcekd("config", "show", "--teacher", "a", "--teacher", "b", "--yaml")
    assert yaml.safe_load(printed.out)["teacher_dirs"] == [str(Path(name).resolve()) for name in ("a", "b")]
    Path("all.yaml").write_text(printed.out)
    assert rcekd("config", "show", "--config", "all.yaml", "--yaml").out == printed.out


def test_it_takes_every_option_of_distill(rcekd: Command) -> None:
    options = ["--with-scratch", "--data-dir", "d", "--runs-dir", "r", "--device", "cpu", "--threads", "1", "--quiet"]
    shown = rcekd("config", "show", "--dataset", "synthetic", *options)
    assert (shown.code, shown.out, shown.err) == (0, "", "")
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--yaml", "--json"], "--yaml and --json both want stdout; give one"),
        (["--set", "train.epoch=3"], "unknown setting 'train.epoch' (from --set train.epoch=3)"),
        (["--config", "none.yaml"], "none.yaml: cannot read this config file"),
    ],
)
def test_bad_input_is_one_line(rcekd: Command, words: list[str], says: str) -> None:
    refused = rcekd("config", "show", *words)
    assert (refused.code, refused.out) == (2, "")
    assert says in refused.error


def test_a_runs_own_config_is_shown_as_it_was(rcekd: Command, finished: Path) -> None:
    shown = rcekd("config", "show", "--config", finished / "config.yaml", "--yaml")
    stored = yaml.safe_load((finished / "config.yaml").read_text())
    assert yaml.safe_load(shown.out).items() <= stored.items()


def test_the_last_layer_that_holds_a_key_is_its_source() -> None:
    layers = [("low", {"a": {"b": 1, "c": 2}}), ("high", {"a": {"c": 3}, "d": None})]
    assert sources({"a": {"b": 1, "c": 3, "e": 4}, "d": None, "f": {}, "g": [1]}, layers) == [
        Sourced("a.b", 1, "low"),
        Sourced("a.c", 3, "high"),
        Sourced("a.e", 4, DEFAULT),
        Sourced("d", None, "high"),
        Sourced("f", {}, DEFAULT),
        Sourced("g", [1], DEFAULT),
    ]
