"""`rcekd export`: what is in the folder, that all of it agrees, and what is refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.flows.conftest import Outcome, assignments

Command = Callable[..., Outcome]

pytest.importorskip("onnxruntime")
pytest.importorskip("usearch")

FILES = {
    "factors.safetensors", "user_factors.parquet", "item_factors.parquet", "ids.json", "seen.parquet",
    "seen.safetensors", "model.onnx", "history.onnx", "index.usearch", "score.py", "card.json", "model_card.md",
}  # fmt: skip

# No torch, and nothing of ours: what is not numpy or the standard library cannot be imported.
ONLY_NUMPY = """
import runpy, sys
class Wall:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top != "numpy" and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Wall())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
assert not {"torch", "rcekd", "safetensors"} & sys.modules.keys()
"""


def score_py(folder: Path, *words: str, environment: dict[str, str] | None = None) -> list[tuple[str, float]]:
    """What the example prints, in a Python that has numpy alone."""
    command = [sys.executable, "-c", ONLY_NUMPY, str(folder / "score.py"), *words]
    own = None if environment is None else {**os.environ, **environment}
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=own)
    assert ended.returncode == 0, ended.stderr
    lines = [line.split("\t") for line in ended.stdout.splitlines()]
    return [(item, float(score)) for item, score in lines]


def test_the_example_says_what_is_wrong_in_a_line(exported: Path) -> None:
    asked = {
        "": "python score.py USER [N]",
        "0 -3": "python score.py USER [N]",
        "--history": "python score.py USER [N]",
    }
    for words, says in {
        **asked,
        "nobody": "'nobody' is no id here",
        "--history 3,none": "'none' is no id here",
    }.items():
        command = [sys.executable, str(exported / "score.py"), *words.split()]
        ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
        assert says in ended.stderr


@pytest.fixture
def exported(rcekd: Command, finished: Path) -> Path:
    """An export of the finished student."""
    assert rcekd("export", finished, "--to", "out", "--quiet", "--threads", 1).code == 0
    return Path("out")


def test_the_folder(exported: Path, finished: Path) -> None:
    assert {path.name for path in exported.iterdir()} == FILES
    card, run = (json.loads(path.read_text()) for path in (exported / "card.json", finished / "summary.json"))
    assert card["quality"][0]["test"] == run["test"]
    assert [model["role"] for model in card["quality"][1:]] == ["teacher"]
    assert card["quality"][1]["test"] == run["teacher"]["test"]
    assert card["files"].keys() == FILES - {"card.json", "model_card.md"}
    assert all(entry["bytes"] == (exported / name).stat().st_size for name, entry in card["files"].items())
    page = (exported / "model_card.md").read_text()
    for part in ("## Quality", "## New users", "## What it cannot do", "Licence of the data"):
        assert part in page
    assert f"{run['test']['ndcg@10']:.4f}" in page
    vectors = pl.read_parquet(exported / "item_factors.parquet")
    assert vectors.columns == ["place", "id", "vector"]
    assert vectors["id"].to_list() == json.loads((exported / "ids.json").read_text())["items"]
    assert len((exported / "score.py").read_text().splitlines()) <= 36


def test_every_way_of_scoring_agrees(exported: Path, finished: Path, rcekd: Command) -> None:
    """rcekd, numpy alone, onnxruntime and the index name the same items."""
    from rcekd.kernels.csr import CSR
    from rcekd.serving import index, onnx_check
    from tests.serving.reading import tensors

    for user in ("0", "31"):
        listed = rcekd("recommend", finished, "--users", user, "-k", 5, "--json").result["recommendations"][0]["items"]
        ours = [(str(item["item"]), item["score"]) for item in listed]
        plain = score_py(exported, user, "5")
        assert [item for item, _ in plain] == [item for item, _ in ours]
        assert [score for _, score in plain] == pytest.approx([score for _, score in ours], rel=1e-4, abs=1e-6)
        ids = json.loads((exported / "ids.json").read_text())
        place = ids["users"].index(int(user))
        tables, seen = tensors(exported / "factors.safetensors"), tensors(exported / "seen.safetensors")
        met = seen["item"][seen["indptr"][place] : seen["indptr"][place + 1]]
        own = CSR(met.new_tensor([0, met.numel()]).long(), met)
        session = onnx_check.session(exported / "model.onnx")
        for lists in (
            onnx_check.run(session, "user", np.array([place]), own, 5),
            index.search(index.load(exported / "index.usearch", 3), tables["user"][[place]], 5, own, 1),
        ):
            assert [str(ids["items"][item]) for item in lists.item_BK[0].tolist()] == [item for item, _ in ours]


def test_numpy_folds_strangers_in_as_we_do(exported: Path, finished: Path, rcekd: Command) -> None:
    Path("history").write_text("3,17,40\n")
    done = rcekd("recommend", finished, "--history", "history", "-k", 6, "--json")
    listed = done.result["recommendations"][0]["items"]
    plain = score_py(exported, "--history", "3,17,40", "6")
    assert [item for item, _ in plain] == [str(item["item"]) for item in listed]
    assert [score for _, score in plain] == pytest.approx([item["score"] for item in listed], rel=1e-3, abs=1e-5)
    assert score_py(exported, "--history", "3,17,3,40,17", "6") == plain, "a history is a set"
    everything = score_py(exported, "--history", "3,17,40", "100")
    assert len(everything) == 77
    assert not {"3", "17", "40"} & {item for item, _ in everything}


def test_leaving_parts_out(rcekd: Command, finished: Path) -> None:
    done = rcekd("export", finished, "--to", "out", "--no-onnx", "--no-index", "--seen", "none", "--json")
    assert (done.code, done.result["seen"]) == (0, "none")
    assert {path.name for path in Path("out").iterdir()} == FILES - {"model.onnx", "history.onnx", "index.usearch"}
    assert pl.read_parquet("out/seen.parquet").is_empty()
    Path("history").write_text("3,17,40\n")
    done = rcekd("recommend", finished, "--history", "history", "--seen", "none", "-k", 80, "--json")
    listed = [str(item["item"]) for item in done.result["recommendations"][0]["items"]]
    assert [item for item, _ in score_py(Path("out"), "--history", "3,17,40", "80")] == listed


def test_numpy_reads_ids_of_any_letters(exported: Path) -> None:
    """Commas inside ids, where tabs stand between them, and letters that the locale does not have."""
    plain = score_py(exported, "--history", "3,17", "80")
    names = {"3": "Misérables, Les", "17": "日本, the", "5": "À bout"}
    ids = json.loads((exported / "ids.json").read_text(encoding="utf-8"))
    ids["items"] = [names.get(str(item), item) for item in ids["items"]]
    (exported / "ids.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    for written in ("Misérables, Les\t日本, the", " 日本, the \tMisérables, Les\t"):
        found = score_py(exported, "--history", written, "80")
        assert [item for item, _ in found] == [names.get(item, item) for item, _ in plain]
    latin = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "utf-8"}
    assert "À bout" in {item for item, _ in score_py(exported, "--history", "7, 8", "80", environment=latin)}


def test_a_teacher_and_a_folder_that_is_replaced(rcekd: Command, finished: Path) -> None:
    teacher = json.loads((finished / "summary.json").read_text())["teacher"]["run_dir"]
    Path("out").mkdir()
    Path("out/mine").touch()
    words = ("export", teacher, "--to", "out", "--no-onnx", "--no-index")
    assert "not empty" in rcekd(*words).error
    refused = rcekd(*words, "--force")
    assert (refused.code, "holds 'mine', which stays" in refused.error) == (2, True)
    Path("out/mine").unlink()
    Path("out/index.usearch").touch()
    done = rcekd(*words, "--force")
    assert done.code == 0
    assert "teacher (mf 8)" in done.out
    assert not Path("out/index.usearch").exists()


def test_a_teacher_that_nothing_was_held_out_for(rcekd: Command) -> None:
    """Its last epoch is kept, in one line; its map for new users has the usual settings."""
    small = assignments(data__valid_share=0, teacher__train__patience=1)
    done = rcekd("train-teacher", "--dataset", "synthetic", "--threads", 1, "--json", *small)
    assert (done.result["epochs"], done.result["best_epoch"]) == (4, 3)
    assert done.err.count("so the last epoch is kept and teacher.train.patience does nothing") == 1
    done = rcekd("export", done.result["run_dir"], "--to", "out", "--no-onnx", "--no-index", "--json")
    fold_in = done.result["fold_in"]
    assert (fold_in["ridge"], fold_in["valid_ndcg@10"], fold_in["valid_ndcg@10_trained"]) == (0.01, None, None)
    assert "usual ridge 0.01" in done.err
    page = Path("out/model_card.md").read_text()
    assert "the last epoch was kept" in page
    assert "ridge, 0.01, and scaling are defaults" in page


@pytest.mark.parametrize("to", ["runs", "."])
def test_the_run_itself_is_never_replaced(rcekd: Command, finished: Path, to: str) -> None:
    for place in (to, finished):
        done = rcekd("export", finished, "--to", place, "--no-onnx", "--no-index", "--force")
        assert (done.code, "would take the place of" in done.error) == (2, True)
    assert (finished / "model.safetensors").is_file()
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]


@pytest.mark.parametrize(
    ("module", "switch"), [("onnx", "--no-onnx"), ("onnxruntime", "--no-onnx"), ("usearch.index", "--no-index")]
)
def test_a_missing_extra_is_named(
    rcekd: Command, finished: Path, monkeypatch: pytest.MonkeyPatch, module: str, switch: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    if module == "onnx":
        monkeypatch.setitem(sys.modules, "onnx.helper", None)
    done = rcekd("export", finished, "--to", "out")
    assert done.code == 2
    assert "pip install 'rcekd[serving]'" in done.error
    assert switch in done.error
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]
