"""Every option arrives where it is meant: what commands ask of the code that does their work."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from rcekd.commands.application import run
from rcekd.commands.options import check_resume, on_the_cpu
from rcekd.datasets.features.making import FeatureRequest
from rcekd.errors import InputError
from rcekd.experiments.profiling import Length
from rcekd.serving.bench import Asked as Measured

Call = tuple[tuple[Any, ...], dict[str, Any]]
Asked = Callable[..., Call]
WORK = "rcekd.commands."


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """What a command line asks of a function, which then refuses: arguments by place, and by name."""
    monkeypatch.chdir(tmp_path)

    def ask(function: str, line: str) -> Call:
        calls: list[Call] = []

        def refuse(*given: Any, **named: Any) -> None:
            calls.append((given, named))
            raise InputError("enough")

        monkeypatch.setattr(WORK + function, refuse)
        assert run(line.split()) == 2
        (call,) = calls
        return call

    return ask


def test_processes_of_an_experiment_do_what_was_asked(asked: Asked, tmp_path: Path) -> None:
    small = {"seeds": [0], "set": {"train.epochs": 2}}
    grid = {
        "datasets": ["ml-100k", "synthetic"],
        "methods": ["none", "ce"],
        "seeds": [0, 1],
        "scales": {"small": small},
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(grid))
    places = "--runs-dir here --data-dir there --device cpu"
    line = f"run mine.yaml --scale small --only ce --only synthetic {places} --threads 5 --jobs 2"
    (words, jobs, _), _ = asked("run.side_by_side", line)
    assert jobs == 2
    found, _ = asked("run.work", " ".join(words))  # as each of them will
    assert [str(cell.labels) for cell in found[0]] == ["synthetic mf-mf ce seed 0"]
    assert found[0][0].settings.train.epochs == 2
    assert (found[1].path, found[2].runs_dir) == (Path("here/experiments/mine-small"), Path("here"))
    assert (found[2].data_dir, found[2].device.type) == (Path("there"), "cpu")
    assert [words[words.index(name) + 1] for name in ("--threads", "--device")] == ["2", "cpu"]
    (words, _, _), _ = asked("run.side_by_side", "run mine.yaml --threads 2 --jobs 4")
    assert words[words.index("--threads") + 1] == "1", "never none"


def test_bench(asked: Asked, tmp_path: Path) -> None:
    line = "bench --datasets synthetic,ml-100k --pairs mf-mf --methods ce,de --epochs 7 --warmup 3 --compare old.json"
    (tmp_path / "more.yaml").write_text("eval: {users: with-targets}\n")
    more = "--seed 4 --set student.dim=5 --config more.yaml --threads 2"
    (cells, how, _, compare), _ = asked("bench.measure", f"{line} {more}")
    assert [tuple(cell)[:3] for cell in cells] == [
        (dataset, "mf-mf", method) for dataset in ("synthetic", "ml-100k") for method in ("none", "ce", "de")
    ]
    assert compare == Path("old.json")
    for cell in cells:
        settings = cell.settings
        assert (settings.dataset, settings.method.name) == (cell.dataset, cell.method)
        assert (settings.seed, settings.student.dim, settings.eval.users) == (4, 5, "with-targets")
    assert how.length == Length(warmup=3, epochs=7)
    assert how.place.runs_dir == Path("runs")
    # Each is measured by `rcekd profile`, to which these words are given.
    asked("profile.measure", f"profile --dataset synthetic {' '.join(how.words)}")
    assert how.words[how.words.index("--threads") + 1] == "2"


def test_a_methods_settings_are_for_the_methods(asked: Asked) -> None:
    (cells, *_), _ = asked(
        "bench.measure", "bench --dataset synthetic --method rcekd --set method.beta=7 --set train.epochs=9"
    )
    assert [cell.settings.method.name for cell in cells] == ["none", "rcekd"]
    assert (cells[1].settings.method.beta, {cell.settings.train.epochs for cell in cells}) == (7, {9})


def test_data_features(asked: Asked) -> None:
    files = "--tags t --text x --vectors v --item-ids i --item-column item --text-column words"
    (request,), _ = asked(
        "data_features.make_features", f"data features f.parquet {files} --width 7 --least 3 --seed 9"
    )
    paths = (Path(name) for name in "txvi")
    assert request == FeatureRequest(*paths, "item", "words", 7, 3, 9)


def test_import_teacher(asked: Asked) -> None:
    names = ("user_ids", "item_ids", "user_key", "item_key", "item_bias", "user_column", "item_column", "score_column")
    options = " ".join(f"--{name.replace('_', '-')} the-{name}" for name in (*names, "rank_column"))
    line = f"import-teacher a.npy b.npy --dataset synthetic --format npy {options} --name mine --max-missing 0.25"
    (settings, _, request), named = asked("import_teacher.import_into", f"{line} --temperature 3")
    assert settings.dataset == "synthetic"
    assert request.files == (Path("a.npy"), Path("b.npy"))
    assert {name: str(getattr(request, name)) for name in names} == {name: f"the-{name}" for name in names}
    assert request.rank_column == "the-rank_column"
    assert named == {"name": "mine", "temperature": 3.0, "max_missing": 0.25}


@pytest.mark.parametrize(
    ("text", "value"), [("auto", "auto"), ("none", "none"), ("0.5", 0.5), ("0", None), ("inf", None), ("x", None)]
)
def test_the_temperature_of_an_import(asked: Asked, monkeypatch: pytest.MonkeyPatch, text: str, value: object) -> None:
    line = f"import-teacher a.npy --dataset synthetic --temperature {text}"
    if value is not None:
        assert asked("import_teacher.import_into", line)[1]["temperature"] == value
    else:
        monkeypatch.setattr(WORK + "import_teacher.import_into", None)  # not to be called: that were exit code 1
        assert run(line.split()) == 2


def test_sweep(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("method.lambda: [1.0, 2.0]\n")
    (tmp_path / "teacher").mkdir()
    line = "sweep --dataset synthetic --teacher ./teacher --method ce --trials 6 --space space.yaml --no-prune"
    (task, _), _ = asked("sweep.Sweep", line)
    assert (task.trials, task.prune, task.teacher_dirs) == (6, False, (Path("teacher"),))
    assert list(task.space) == ["method.lambda"]
    (task, _), _ = asked("sweep.Sweep", "sweep --dataset synthetic --method ce")
    assert (task.trials, task.prune, task.teacher_dirs) == (20, True, ())


def test_report(asked: Asked) -> None:
    options = "--metric recall@10 --against ce --to there --only ce --only none"
    assert asked("report.make_document", f"report here {options}") == (
        (Path("here"), Path("there")),
        {"metric": "recall@10", "against": "ce", "only": ["ce", "none"]},
    )
    assert asked("report.make_document", "report here")[0][1] == Path("here/report")


def test_distill_asks_for_what_a_configuration_says_of_the_run(asked: Asked, tmp_path: Path) -> None:
    own: dict[str, Any] = {"with_scratch": True, "keep_trajectory": True, "teacher_dirs": ["./one", "./two"]}
    values = {"kind": "distill", "dataset": "synthetic", **own}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    _, named = asked("distill.pipeline.distill", "distill --config config.yaml")
    assert named == {**own, "teacher_dirs": [Path("one"), Path("two")]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"dataset": "synthetic"}))
    _, named = asked("distill.pipeline.distill", "distill --config config.yaml")
    assert named == {"with_scratch": False, "keep_trajectory": False, "teacher_dirs": []}


def test_serve_bench(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "serve-bench one two --only -k 7 --requests 8 --batch 9 --seen train --no-index --threads 1"
    (folders, _), _ = asked("serve_bench.open_all", line)
    assert folders == [Path("one"), Path("two")]
    (folders, _), _ = asked("serve_bench.with_relatives", line.replace("--only ", ""))
    assert folders == [Path("one"), Path("two")]
    monkeypatch.setattr(WORK + "serve_bench.open_all", lambda *_: [SimpleNamespace(label="one")])
    (_, wanted), _ = asked("serve_bench.measure", line)
    assert wanted == Measured(7, 8, 9, threads=(1,), seen="train", with_index=False)


def test_resuming_takes_no_other_word() -> None:
    check_resume((None, [], None), Path("runs"), with_scratch=False)
    with pytest.raises(InputError, match="--resume takes its settings from the run folder"):
        check_resume((None, 0), Path("runs"))
    with pytest.raises(InputError, match="--runs-dir beside --resume"):
        check_resume((None,), Path("elsewhere"))
    with pytest.raises(InputError, match="--keep-trajectory beside --resume"):
        check_resume((None,), Path("runs"), with_scratch=False, keep_trajectory=True)


def test_what_computes_on_the_cpu_refuses_the_gpu() -> None:
    assert [on_the_cpu("export", device) for device in ("auto", "cpu")] == ["cpu", "cpu"]
    with pytest.raises(InputError, match="--device cuda: export computes on the CPU"):
        on_the_cpu("export", "cuda")
