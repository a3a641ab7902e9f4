"""`rcekd import-teacher` from start to end, and distillation from what it leaves."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import load_file

from rcekd.datasets import DataSettings, Interactions, SyntheticSettings, load_dataset
from rcekd.kernels.topk import topk
from tests.flows.conftest import SMALL, Outcome

Command = Callable[..., Outcome]
DATA = [part for key, value in SMALL.items() if key.startswith("data.") for part in ("--set", f"{key}={value}")]


@pytest.fixture
def data() -> Interactions:
    return load_dataset("synthetic", DataSettings(synthetic=SyntheticSettings(users=50, items=80, density=0.15)))


@pytest.fixture
def teacher(finished: Path) -> dict[str, torch.Tensor]:
    """The trained teacher's tables, with scores a hundredth of what they were."""
    (path,) = finished.parent.glob("teacher-*/model.safetensors")
    return {"user": load_file(path)["user"] / 10, "item": load_file(path)["item"] / 10}


@pytest.fixture
def import_teacher(rcekd: Command) -> Command:
    def invoke(*words: object) -> Outcome:
        return rcekd("import-teacher", *words, "--dataset", "synthetic", "--json", "--threads", 1, *DATA)

    return invoke


@pytest.fixture
def pair(teacher: dict[str, torch.Tensor]) -> list[str]:
    """The tables as files whose rows are the other way round, with their ids."""
    for side, n in (("user", 50), ("item", 80)):
        np.save(f"{side}.npy", teacher[side].flip(0).numpy())
        Path(f"{side}.txt").write_text("".join(f"{n - 1 - row}\n" for row in range(n)))
    return ["user.npy", "item.npy", "--user-ids", "user.txt", "--item-ids", "item.txt"]


def test_import_and_distil(import_teacher: Command, distill: Command, pair: list[str], finished: Path) -> None:
    done = import_teacher(*pair)
    assert done.code == 0, done.err
    summary = done.result
    (trained,) = finished.parent.glob("teacher-*/summary.json")
    told = json.loads(trained.read_text())
    for part in ("valid", "test"):
        assert summary[part] == pytest.approx(told[part])
    assert (summary["model"], summary["dim"], summary["parameters"]) == ("imported", 8, 8 * (50 + 80))
    report = summary["imported"]
    assert (report["format"], report["users"]["matched"], report["items"]["unknown"]) == ("npy", 50, 0)
    assert report["temperature"] == report["calibration"]["temperature"]
    # Softmax was all but flat over the 80 items; after it is not.
    assert report["calibration"]["before"]["effective"] > report["calibration"]["after"]["effective"]
    weights = load_file(Path(summary["run_dir"], "model.safetensors"))
    user_UD, item_ID = (torch.from_numpy(np.load(f"{side}.npy")) for side in ("user", "item"))
    score_UI = weights["user"].flip(0) @ weights["item"].flip(0).T
    torch.testing.assert_close(score_UI * report["temperature"], user_UD @ item_ID.T)
    student = distill("--teacher", summary["run_dir"])
    assert student.code == 0, student.err
    assert student.result["teacher"]["run_dir"] == summary["run_dir"]
    assert student.result["teacher"]["test"] == summary["test"]


def test_an_import_is_found_again(import_teacher: Command, pair: list[str]) -> None:
    first = import_teacher(*pair).result
    model = Path(first["run_dir"], "model.safetensors")
    written = model.stat().st_mtime_ns
    assert import_teacher(*pair).result == first
    assert model.stat().st_mtime_ns == written
    config = yaml.safe_load(Path(first["run_dir"], "config.yaml").read_text())
    assert config["kind"] == "imported"
    files = {"file 1": "user.npy", "file 2": "item.npy", "user_ids": "user.txt", "item_ids": "item.txt"}
    assert config["imported"]["files"] == files
    assert len(config["imported"]["sha256"]["file 1"]) == 64
    assert import_teacher(*pair, "--temperature", "none").result["imported"]["temperature"] == 1.0
    np.save("item.npy", np.load("item.npy") * 2)
    assert import_teacher(*pair).result["run_dir"] != first["run_dir"]


def test_the_same_ids_for_the_other_side_are_another_import(rcekd: Command) -> None:
    """20 users and 20 items, so that either side takes the file of ids."""
    pairs = [(user, item) for user in range(20) for item in (user, (3 * user + 1) % 20, (7 * user + 2) % 20)]
    pl.DataFrame(pairs, schema=["user", "item"], orient="row").write_csv("square.csv")
    generator = np.random.default_rng(0)
    for side in ("user", "item"):
        np.save(f"{side}.npy", generator.normal(size=(20, 3)))
    Path("ids.txt").write_text("".join(f"{row}\n" for row in reversed(range(20))))
    words = ("import-teacher", "user.npy", "item.npy", "--dataset", "square.csv", "--json", "--threads", 1)
    first, second = (rcekd(*words, f"--{side}-ids", "ids.txt").result for side in ("user", "item"))
    assert first["run_dir"] != second["run_dir"]
    assert first["imported"]["notes"] != second["imported"]["notes"]


def test_what_may_be_missing_is_asked_of_an_import_found_again_too(
    import_teacher: Command, teacher: dict[str, torch.Tensor], data: Interactions, pair: list[str]
) -> None:
    np.save("user.npy", np.load("user.npy")[:40])
    Path("user.txt").write_text("".join(f"{49 - row}\n" for row in range(40)))
    top = pl.read_parquet(lists(teacher, data, 10))
    few, strange = Path("few.parquet"), Path("strange.parquet")
    top.filter(pl.col("user") < 40).write_parquet(few)
    top.with_columns(item=pl.when(pl.col("item") < 20).then(pl.col("item") + 1000).otherwise("item")).write_parquet(
        strange
    )
    for words, says in (
        (pair, "20.0% of the users that synthetic trains on are not in the teacher (allowed 5.0%)"),
        ([few], "20.0% of the users that synthetic trains on"),
        ([strange], "of the lists' entries are of items that synthetic does not have (allowed 5.0%)"),
    ):
        assert import_teacher(*words).code == 2
        done = import_teacher(*words, "--max-missing", 1)
        assert done.code == 0, done.err
        again = import_teacher(*words)
        assert again.code == 2
        assert f"{done.result['run_dir']}: imported before with a higher --max-missing; " in again.error
        assert says in again.error


def test_people_are_shown_what_matched(rcekd: Command, pair: list[str]) -> None:
    done = rcekd("import-teacher", *pair, "--dataset", "synthetic", *DATA, "--name", "mine")
    assert done.code == 0
    for part in (
        "unknown to the dataset",
        "temperature proposed",
        "recall@10",
        "run folder: runs/imported-synthetic-mine-",
    ):
        assert part in done.out


def lists(teacher: dict[str, torch.Tensor], data: Interactions, n: int, *, unseen: bool = False) -> str:
    item_UN, score_UN = topk(teacher["user"], teacher["item"], n, seen=data.seen if unseen else None)
    user_UN = torch.arange(50)[:, None].expand_as(item_UN)
    table = {"user": user_UN.flatten().numpy(), "item": item_UN.flatten().numpy(), "score": score_UN.flatten().numpy()}
    pl.DataFrame(table).write_parquet("top.parquet")
    return "top.parquet"


def test_lists_that_hold_everything_are_as_good_as_factors(
    import_teacher: Command, distill: Command, teacher: dict[str, torch.Tensor], data: Interactions, pair: list[str]
) -> None:
    """Nothing is cut off, so the student learns the same to the last rounding."""
    path = lists(teacher, data, 80)
    listed = import_teacher(path, "--temperature", 0.01).result
    whole = import_teacher(*pair, "--temperature", 0.01).result
    for part in ("valid", "test"):
        assert listed[part] == pytest.approx(whole[part])
    students = [distill("--teacher", run["run_dir"]).result for run in (listed, whole)]
    models = [load_file(Path(student["run_dir"], "model.safetensors")) for student in students]
    torch.testing.assert_close(models[0], models[1], atol=1e-4, rtol=1e-3)


def test_it_can_be_evaluated_by_another_protocol(
    import_teacher: Command, rcekd: Command, teacher: dict[str, torch.Tensor], data: Interactions, pair: list[str]
) -> None:
    whole = import_teacher(*pair).result
    listed = import_teacher(lists(teacher, data, 80)).result
    for run in (whole, listed):
        again = rcekd("evaluate", run["run_dir"], "--json").result
        assert (again["test"], again["dim"]) == (run["test"], run["dim"])
    sterner = [
        rcekd("evaluate", run["run_dir"], "--json", "--set", "eval.mask=train+valid").result for run in (whole, listed)
    ]
    assert sterner[0]["test"] == pytest.approx(sterner[1]["test"])
    assert sterner[0]["test"] != whole["test"]


def test_short_lists(
    import_teacher: Command, distill: Command, teacher: dict[str, torch.Tensor], data: Interactions
) -> None:
    summary = import_teacher(lists(teacher, data, 30, unseen=True)).result
    report = summary["imported"]
    assert (report["form"], report["lists"]["length"], report["lists"]["seen_share"]) == ("lists", 30, 0.0)
    assert report["lists"]["floor_margin"] > 0
    assert "method.mask=train" in report["notes"][-1]
    assert distill("--teacher", summary["run_dir"], method__mask="train").code == 0
    refused = distill("--teacher", summary["run_dir"], method__K=31)
    assert refused.code == 2
    assert "to at most 30" in refused.error
    whole = distill("--method", "ce", "--teacher", summary["run_dir"], method__items="all", method__L=None)
    assert whole.code == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["none.npz"], "none.npz: cannot be read"),
        (["user.npy"], "user.npy: one table of two; give the users' file and then the items'"),
        (["user.npy", "user.txt"], "the format is not plain from the name"),
        (["user.npy", "item.npy", "--item-ids", "user.txt"], "50 item ids for 80 rows"),
        (["item.npy", "user.npy"], "80 user rows, but synthetic has 50 users; give --user-ids FILE"),
        (["user.npy", "item.npy", "--format", "numpy"], "--format 'numpy' is unknown"),
        (["user.npy", "item.npy", "--temperature", "1e-60"], "at temperature 1e-60: the longest user and item vectors"),
        (["user.npy", "item.npy", "--temperature", "hot"], "--temperature 'hot': expected auto, none or a positive"),
        (["user.npy", "item.npy", "--temperature", "1e-44"], "at temperature 1e-44: the longest user and item vectors"),
        (["huge.npy", "huger.npy"], "huge.npy and huger.npy: the longest user and item vectors make scores up to"),
        (["all.csv", "--temperature", "1e-40"], "all.csv: at temperature 1e-40 scores are beyond float32"),
        (["user.npy", "item.npy", "--max-missing", "2"], "--max-missing"),
        (["user.npy", "item.npy", "--item-bias", "user"], "--item-bias 'user'"),
        (["user.npy", "item.npy", "--user-ids", "strangers.txt"], "50 of the 50 users that synthetic trains on"),
        (["user.npy", "item.npy", "--user-key", "user"], "read as format npy, which --user-key does not concern"),
        (["top.csv", "--user-ids", "user.txt"], "which --user-ids does not concern"),
    ],
)
def test_what_is_wrong_leaves_nothing(import_teacher: Command, pair: list[str], words: list[str], says: str) -> None:
    assert pair
    Path("strangers.txt").write_text("".join(f"x{row}\n" for row in range(50)))
    Path("top.csv").write_text("user,item,score\n0,1,2\n")
    Path("all.csv").write_text("\n".join(["user,item,score", *(f"{n % 50},{n % 80},{n}" for n in range(400))]))
    for name, n in (("huge", 50), ("huger", 80)):
        np.save(f"{name}.npy", np.full((n, 8), 1e25, np.float32))
    before = sorted(Path("runs").iterdir())
    done = import_teacher(*words)
    assert (done.code, done.out) == (2, "")
    assert says in done.error
    assert sorted(Path("runs").iterdir()) == before


def test_a_teacher_for_other_data_is_refused(import_teacher: Command, distill: Command, pair: list[str]) -> None:
    summary = import_teacher(*pair).result
    done = distill("--teacher", summary["run_dir"], data__synthetic__users=40)
    assert done.code == 2
    assert "this model was made for other data" in done.error
