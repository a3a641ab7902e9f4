"""Whatever the user gets wrong ends as one line on stderr, exit code 2, and nothing half-written."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.flows.conftest import Outcome, assignments

Command = Callable[..., Outcome]


def refused(done: Outcome, *says: str) -> None:
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith("rcekd: ")
    assert "Traceback" not in done.err
    assert "internal error" not in done.err
    for part in says:
        assert part in done.error


def runs() -> list[str]:
    return sorted(path.name for path in Path("runs").glob("*"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--dataset", "synthetik"], "did you mean 'synthetic'"),
        (["--dataset", "no/such/file.csv"], "no/such/file.csv"),
        (["--teacher", "fm"], "unknown model 'fm'; did you mean 'mf'"),
        (["--student", "mff"], "unknown model 'mff'; did you mean 'mf'"),
        (["--method", "rcedk"], "unknown method 'rcedk'; did you mean 'rcekd'"),
        (
            ["--set", "method.betta=3"],
            "unknown setting 'method.betta' (from --set method.betta=3); did you mean 'beta'",
        ),
        (["--set", "method.gamma.shap=linear"], "did you mean 'shape'"),
        (
            ["--set", "student.backbone=5"],
            "unknown setting 'student.backbone' (from --set student.backbone=5); known: ",
        ),
        (["--set", "teacher.backbone.dim=5"], "unknown setting 'teacher.backbone' (from --set teacher.backbone.dim=5)"),
        (["--set", "data.columns.usr=who"], "did you mean 'user'"),
        (["--set", "train.epochs=soon"], "train.epochs='soon'"),
        (["--set", "student.dim=0"], "student.dim=0"),
        (["--set", "method.variant=[1]"], "'paper' or 'code'"),
        (["--set", "method=ce"], "method.name=rcekd"),
        (["--set", "train.epochs"], "expected KEY=VALUE"),
        (["--set", "=3"], "expected KEY=VALUE"),
        (["--set", "method.beta=[1"], "cannot read the value"),
        (["--set", "method.K=81"], "method.K=81 is more than the 80 items of synthetic"),
        (["--set", "method.L=1000"], "method.L=1000 is more than the 80 items"),
        (["--set", "method.variant=code"], "method.horizon=200 is more than the 80 items"),
        (["--method", "ce", "--set", "method.K=81"], "method.K=81 is more than the 80 items"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--seed", "x"], "--seed"),
        (["--seed", "-1"], "--seed"),
        (["--seed", "99999999999999999999"], "seed=99999999999999999999"),
        (["--threads", "0"], "--threads"),
        (["--device", "tpu"], "--device 'tpu'"),
        (["--colour"], "--colour"),
        (["--set"], "--set"),
        (["--dataset"], "--dataset"),
        (["extra"], "extra"),
        (["--resume", "nowhere"], "nowhere"),
        (["--resume", "nowhere", "--seed", "3"], "leave the other settings out"),
        (["--resume", "nowhere", "--seed", "0"], "leave the other settings out"),
        (
            ["--resume", "nowhere", "--with-scratch"],
            "--with-scratch beside --resume: a run goes on in its folder as it",
        ),
        (["--resume", "nowhere", "--keep-trajectory"], "leave --keep-trajectory out"),
        (["--resume", "nowhere", "--runs-dir", "elsewhere"], "leave --runs-dir out"),
        (["--teacher", "no/such/run"], "not a run folder"),
    ],
    ids=" ".join,
)
def test_distill(rcekd: Command, words: list[str], says: str) -> None:
    words = [*words, "--json"] if words[-1] not in ("--set", "--dataset") else ["--json", *words]
    dataset = [] if "--dataset" in words or "--resume" in words else ["--dataset", "synthetic"]
    small = [] if "--resume" in words else assignments(method__L=None if "ce" in words else 10)
    refused(rcekd("distill", *dataset, *small, *words), says)
    assert runs() == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trian-teacher", "trian-teacher"),
        ("data", "Missing command"),
        ("data inf", "inf"),
        ("evaluate", "argument"),
        ("evaluate nowhere", "not a run folder"),
        ("train-teacher --dataset synthetic --set train.epoch=3", "did you mean 'epochs'"),
        ("train-teacher --teacher fm", "did you mean 'mf'"),
        ("train-teacher --resume nowhere", "not a run folder"),
        ("train-teacher --resume nowhere --keep-trajectory", "leave --keep-trajectory out"),
        ("data info synthetik", "did you mean 'synthetic'"),
        ("data info synthetic --dataset ml-100k", "both 'synthetic' and --dataset 'ml-100k': give the dataset once"),
        ("data info ~nosuch/x.csv", "dataset '~nosuch/x.csv': no such file"),
        ("data features out.csv --tags tags.dat", "out.csv: features are written as Parquet"),
        ("data prepare synthetic --set data.synthetic.users=none", "data.synthetic.users='none'"),
        ("data info ml-100k --set student.dim=3", "--set student.dim=3: data info takes only data.… settings"),
        ("import-teacher --dataset ml-100k m.npz --set train.epochs=3", "import-teacher takes only data.… and eval.…"),
    ],
)
def test_other_commands(rcekd: Command, words: str, says: str) -> None:
    refused(rcekd(*words.split()), says)
    assert runs() == []


@pytest.mark.parametrize("words", [("data", "info", ""), ("distill", "--dataset", "")])
def test_an_empty_name_is_no_dataset(rcekd: Command, words: tuple[str, ...]) -> None:
    refused(rcekd(*words), "unknown dataset ''")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train:\n  epochs: [3\n", "line 3"),
        ("trian:\n  epochs: 3\n", "unknown setting 'trian' (from my.yaml); did you mean 'train'"),
        ("method: {gamma: {shap: linear}}\n", "'method.gamma.shap' (from my.yaml); did you mean 'shape'"),
        ("train: {epochs: many}\n", "train.epochs='many' (from my.yaml)"),
        ("train:\n", "train=None"),
        ("method:\n", "method"),
        ("7: seven\n", "7"),
        ("[1, 2]\n", "expected settings by key"),
    ],
)
def test_config_file(rcekd: Command, text: str, says: str) -> None:
    Path("my.yaml").write_text(text)
    refused(rcekd("distill", "--dataset", "synthetic", "--config", "my.yaml"), says)
    assert runs() == []


def test_debug_shows_the_traceback_too(rcekd: Command) -> None:
    done = rcekd("distill", "--dataset", "synthetik", "--debug")
    assert done.code == 2
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].startswith("rcekd: ")


def test_a_teacher_made_for_another_dataset(finished: Path, distill: Command) -> None:
    teacher = json.loads((finished / "summary.json").read_text())["teacher"]["run_dir"]
    before = runs()
    refused(
        distill("--teacher", teacher, data__synthetic__users=60), teacher, "50 users × 80 items", "not for synthetic"
    )
    # The same sizes, but other interactions.
    refused(distill("--teacher", teacher, data__synthetic__seed=9), teacher, "made for other data", "under `data`")
    assert runs() == before


def test_evaluating_on_another_dataset(finished: Path, rcekd: Command) -> None:
    file = finished / "config.yaml"
    config = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**config, "student": {**config["student"], "dim": 4}}))
    refused(rcekd("evaluate", finished), "model.safetensors", "does not fit")
    config["data"]["synthetic"]["seed"] = 9
    file.write_text(yaml.safe_dump(config))
    for command in (("evaluate",), ("recommend", "--users", "1"), ("export", "--to", "out")):
        # They take no --dataset that could be corrected.
        refused(rcekd(*command, finished), "made for other data", "has changed since: put that back")


@pytest.mark.parametrize(
    "given",
    ["student.model=lightgcn", "teacher.dim=3", "train.epochs=9", "seed=4", "data.synthetic.seed=9", "dataset=x.csv"],
)
def test_evaluating_by_settings_of_training(finished: Path, rcekd: Command, given: str) -> None:
    refused(rcekd("evaluate", finished, "--set", given), f"--set {given}", "only eval.… settings")


def test_evaluating_by_a_config_without_a_protocol(finished: Path, rcekd: Command) -> None:
    Path("own.yaml").write_text("student: {dim: 3}")
    refused(rcekd("evaluate", finished, "--config", "own.yaml"), "own.yaml: no `eval` in it")


# --- damaged run folders --------------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 4
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def scribble(path: Path) -> None:
    path.write_bytes(b"\xff\x00\x80 not what it was")


def brackets(path: Path) -> None:
    path.write_text("{}")


DAMAGES = [cut, flip, empty, scribble]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_model(finished: Path, rcekd: Command, damage: Callable[[Path], None]) -> None:
    damage(finished / "model.safetensors")
    refused(rcekd("evaluate", finished), "model.safetensors", "damaged")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_teacher(finished: Path, distill: Command, damage: Callable[[Path], None]) -> None:
    teacher = json.loads((finished / "summary.json").read_text())["teacher"]["run_dir"]
    damage(Path(teacher, "model.safetensors"))
    refused(distill(), teacher, "damaged")
    refused(distill("--teacher", teacher), teacher, "damaged")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_checkpoint(finished: Path, rcekd: Command, damage: Callable[[Path], None]) -> None:
    (finished / "summary.json").unlink()
    model = (finished / "model.safetensors").read_bytes()
    damage(finished / "state/checkpoint.pt")
    refused(rcekd("distill", "--resume", finished), "checkpoint.pt", "damaged")
    assert (finished / "model.safetensors").read_bytes() == model


def test_checkpoint_of_another_run(finished: Path, distill: Command, rcekd: Command) -> None:
    other = Path(distill("--seed", 1).result["run_dir"])
    shutil.copy(other / "state/checkpoint.pt", finished / "state/checkpoint.pt")
    (finished / "summary.json").unlink()
    refused(rcekd("distill", "--resume", finished), "checkpoint.pt", "belongs to another run")


@pytest.mark.parametrize("damage", [cut, empty, scribble, brackets])
def test_damaged_summary(finished: Path, rcekd: Command, damage: Callable[[Path], None]) -> None:
    damage(finished / "summary.json")
    refused(rcekd("evaluate", finished), "summary.json", "damaged")
    refused(rcekd("distill", "--resume", finished), "summary.json", "damaged")


@pytest.mark.parametrize("damage", [empty, scribble, brackets])
def test_damaged_config(finished: Path, rcekd: Command, damage: Callable[[Path], None]) -> None:
    damage(finished / "config.yaml")
    for command in (["evaluate", finished], ["distill", "--resume", finished]):
        refused(rcekd(*command), "config.yaml")


def test_config_with_an_unknown_key(finished: Path, rcekd: Command) -> None:
    with (finished / "config.yaml").open("a") as file:
        file.write("colour: blue\n")
    refused(rcekd("distill", "--resume", finished), "config.yaml", "unknown setting 'colour'")


def test_a_run_that_has_not_finished_cannot_be_evaluated(finished: Path, rcekd: Command, distill: Command) -> None:
    (finished / "summary.json").unlink()
    refused(rcekd("evaluate", finished), "has not finished", f"--resume {finished}")
    refused(distill("--teacher", finished), "has not finished")


def test_config_of_some_other_kind(finished: Path, rcekd: Command) -> None:
    config = finished / "config.yaml"
    config.write_text(config.read_text().replace("kind: distill", "kind: cake"))
    refused(rcekd("distill", "--resume", finished), "config.yaml", "'cake'")


# --- places that cannot be written ----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["file/runs", "file", "/proc/rcekd", "/dev/null/runs"])
def test_unwritable_runs_dir(distill: Command, rcekd: Command, place: str) -> None:
    Path("file").touch()
    refused(distill("--runs-dir", place), place, "--runs-dir")
    words = assignments(method__K=None, method__L=None)
    refused(rcekd("train-teacher", "--dataset", "synthetic", "--runs-dir", place, *words), place, "--runs-dir")


@pytest.mark.parametrize("name", ["config.yaml", "checkpoint.pt", "model.safetensors", "summary.json"])
def test_full_disk(
    finished: Path, distill: Command, rcekd: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The disk fills up while one of the student's files is written: what was there before stays whole."""
    really = os.fsync

    def fill(descriptor: int) -> None:
        written = os.readlink(f"/proc/self/fd/{descriptor}")
        if "-002" in written and f".{name}." in written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fill)
    done = distill("--quiet")
    folder = Path("runs/distill-synthetic-mf-mf-rcekd-s0-002")
    refused(done, "No space left on device")
    assert not list(folder.rglob(f"*{name}*"))
    assert not list(folder.rglob("*.part"))
    if name != "config.yaml":
        monkeypatch.setattr(os, "fsync", really)
        assert rcekd("distill", "--resume", folder, "--json").code == 0
        assert (folder / "model.safetensors").read_bytes() == (finished / "model.safetensors").read_bytes()


def test_a_loss_that_diverges(distill: Command) -> None:
    teacher = distill("--quiet", teacher__train__learning_rate=1e12)
    refused(teacher, "epoch 1, batch", "lower teacher.train.learning_rate (now 1e+12)")
    assert not list(Path("runs").rglob("summary.json"))
    student = distill("--quiet", train__learning_rate=1e30)
    refused(student, "rcekd synthetic", "lower train.learning_rate", "or method.lambda")
