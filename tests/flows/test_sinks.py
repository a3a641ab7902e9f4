"""Curves in TensorBoard and MLflow: every epoch once, also over a stop, and never at the cost of the training."""

import json
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rcekd.datasets import Interactions
from rcekd.errors import InputError, InterruptedRun
from rcekd.training.loop import Silent, Trainer
from rcekd.training.run_folder import RunFolder
from rcekd.training.sinks import parse_sink, watched
from rcekd.training.sinks.base import curves
from tests.flows.conftest import Outcome, assignments
from tests.training.workbench import make_folder, make_task


def test_the_curves_of_a_line() -> None:
    line = {
        "epoch": 3,
        "loss": 2,
        "best": True,
        "valid": {"ndcg@10": 0.5},
        "phases": {"teacher scores": 0.25},
        "note": "no number",
    }
    assert curves(line) == {"loss": 2.0, "valid/ndcg_at_10": 0.5, "phases/teacher_scores": 0.25}


@pytest.mark.parametrize("text", ["tensorbord", "", "wandb:x"])
def test_an_unknown_sink(text: str) -> None:
    with pytest.raises(InputError, match=r"unknown.*known: mlflow, tensorboard"):
        parse_sink(text)


def train(folder: RunFolder, data: Interactions, sink: str, epochs: int) -> None:
    """Train to `epochs`, from where the folder stands."""
    with watched(Silent(), [parse_sink(sink)], folder) as observer:
        observer.results = Trainer(make_task(data, epochs=epochs), folder, observer).run().metrics


def forget_since(folder: RunFolder, checkpoint: bytes) -> None:
    """As a kill leaves it: epochs that were logged, and a state from before them."""
    folder.checkpoint_file.write_bytes(checkpoint)


# --- TensorBoard ----------------------------------------------------------------------------------------------------


def read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every scalar in a folder's event files, in the order written."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for record in _records(file.read_bytes()):
            event = Event.FromString(record)
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a TFRecord file: length, its checksum, content, its checksum."""
    while data:
        (length,) = struct.unpack_from("<Q", data)
        yield data[12 : 12 + length]
        data = data[16 + length :]


def assert_every_epoch_once(found: dict[str, list[tuple[int, float]]], lines: list[dict[str, Any]]) -> None:
    assert [step for step, _ in found["loss"]] == [line["epoch"] for line in lines]
    assert [value for _, value in found["loss"]] == pytest.approx([line["loss"] for line in lines])
    values = [value for _, value in found["valid/ndcg_at_10"]]
    assert values == pytest.approx([line["valid"]["ndcg@10"] for line in lines])


def test_tensorboard_goes_on_with_the_same_curve(tmp_path: Path, tiny_interactions: Interactions) -> None:
    pytest.importorskip("tensorboardX")
    folder = make_folder(tmp_path / "run")
    train(folder, tiny_interactions, "tensorboard", 3)
    saved = folder.checkpoint_file.read_bytes()
    train(folder, tiny_interactions, "tensorboard", 5)
    forget_since(folder, saved)
    train(folder, tiny_interactions, "tensorboard", 6)
    found = read_events(folder.path / "tensorboard")
    assert len(folder.read_metrics()) == 6
    assert_every_epoch_once(found, folder.read_metrics())
    assert [step for step, _ in found["result/test/recall_at_10"]] == [0]


def test_tensorboard_has_the_epochs_from_before_it_was_asked_for(
    tmp_path: Path, tiny_interactions: Interactions
) -> None:
    pytest.importorskip("tensorboardX")
    folder = make_folder(tmp_path / "run")
    Trainer(make_task(tiny_interactions, epochs=2), folder, Silent()).run()
    train(folder, tiny_interactions, f"tensorboard:{tmp_path / 'curves'}", 4)
    assert_every_epoch_once(read_events(tmp_path / "curves" / "run"), folder.read_metrics())
    assert not (folder.path / "tensorboard").exists()


def test_distill_with_tensorboard(distill: Callable[..., Outcome]) -> None:
    """Teacher, student alone and student have a curve each, in their own run folders."""
    pytest.importorskip("tensorboardX")
    done = distill("--with-scratch", "--log-to", "tensorboard")
    assert done.code == 0
    for run in (done.result["teacher"], done.result["alone"], done.result["student"]):
        lines = [json.loads(line) for line in (Path(run["run_dir"]) / "metrics.jsonl").read_text().splitlines()]
        assert_every_epoch_once(read_events(Path(run["run_dir"]) / "tensorboard"), lines)


def test_an_extra_that_is_not_installed(rcekd: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    refused = rcekd(
        "train-teacher", "--dataset", "synthetic", "--quiet", "--log-to", "tensorboard", *assignments(method__L=10)
    )
    assert refused.code == 2
    assert "pip install 'rcekd[tensorboard]', or leave out --log-to tensorboard" in refused.error


# --- MLflow, at the boundary of its client --------------------------------------------------------------------------


class Store:
    """What a tracking server remembers, behind a client with the calls that we use."""

    class Missing(Exception):
        """No such run."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, str] = {}
        self.addresses: list[str | None] = []
        self.down = False

    def module(self) -> SimpleNamespace:
        def client(tracking_uri: str | None) -> "Store":
            if tracking_uri == "nonsense://":
                raise self.Missing("unsupported address\nand more")
            self.addresses.append(tracking_uri)
            return self

        return SimpleNamespace(
            MlflowClient=client,
            entities=SimpleNamespace(
                Metric=lambda key, value, timestamp, step: SimpleNamespace(
                    key=key, value=value, timestamp=timestamp, step=step
                ),
                Param=lambda key, value: SimpleNamespace(key=key, value=value),
            ),
            exceptions=SimpleNamespace(MlflowException=self.Missing),
        )

    def get_experiment_by_name(self, name: str) -> Any:
        self._reach()
        return SimpleNamespace(experiment_id=self.experiments[name]) if name in self.experiments else None

    def create_experiment(self, name: str) -> str:
        return self.experiments.setdefault(name, str(len(self.experiments)))

    def create_run(self, experiment_id: str, run_name: str) -> Any:
        run_id = f"id{len(self.runs)}"
        self.runs[run_id] = {"name": run_name, "experiment": experiment_id, "metrics": [], "params": {}, "status": ""}
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id))

    def update_run(self, run_id: str, status: str) -> None:
        if run_id not in self.runs:
            raise self.Missing(run_id)
        self.runs[run_id]["status"] = status

    def get_metric_history(self, run_id: str, key: str) -> list[Any]:
        return [metric for metric in self.runs[run_id]["metrics"] if metric.key == key]

    def log_batch(self, run_id: str, metrics: Any = (), params: Any = ()) -> None:
        self._reach()
        assert len(params) <= 100
        self.runs[run_id]["metrics"] += metrics
        self.runs[run_id]["params"] |= {param.key: param.value for param in params}

    def set_terminated(self, run_id: str, status: str) -> None:
        self.runs[run_id]["status"] = status

    def curve(self, run_id: str, key: str) -> list[tuple[int, float]]:
        return [(metric.step, metric.value) for metric in self.get_metric_history(run_id, key)]

    def _reach(self) -> None:
        if self.down:
            raise ConnectionError("no route\nto host")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setitem(sys.modules, "mlflow", made.module())  # type: ignore[arg-type]
    return made


def test_mlflow_goes_on_with_the_same_run(store: Store, tmp_path: Path, tiny_interactions: Interactions) -> None:
    folder = make_folder(tmp_path / "run")
    train(folder, tiny_interactions, "mlflow:http://here", 3)
    saved = folder.checkpoint_file.read_bytes()
    train(folder, tiny_interactions, "mlflow:http://here", 5)
    forget_since(folder, saved)
    train(folder, tiny_interactions, "mlflow:http://here", 6)
    (run,) = store.runs.values()
    assert (run["name"], run["status"], run["params"]) == ("run", "FINISHED", {"kind": "test"})
    lines = folder.read_metrics()
    assert_every_epoch_once({key: store.curve("id0", key) for key in ("loss", "valid/ndcg_at_10")}, lines)
    assert store.addresses == ["http://here"] * 3
    assert store.experiments == {"rcekd": "0"}


def test_mlflow_begins_anew_where_the_run_was_deleted(
    store: Store, tmp_path: Path, tiny_interactions: Interactions
) -> None:
    folder = make_folder(tmp_path / "run")
    train(folder, tiny_interactions, "mlflow", 2)
    store.runs["other"] = store.runs.pop("id0")
    train(folder, tiny_interactions, "mlflow", 3)
    assert [step for step, _ in store.curve("id1", "loss")] == [0, 1, 2]
    assert store.addresses == [None, None]


def test_the_settings_are_mlflow_parameters(store: Store, rcekd: Callable[..., Outcome]) -> None:
    words = ["train-teacher", "--dataset", "synthetic", "--quiet", "--threads", 1, *assignments(method__L=10)]
    assert rcekd(*words, "--log-to", "mlflow").code == 0
    (run,) = store.runs.values()
    assert run["name"].startswith("teacher-synthetic-mf8")
    assert run["params"]["teacher.dim"] == "8"
    assert run["params"]["data.synthetic.users"] == "50"


@pytest.mark.parametrize(("error", "status"), [(InterruptedRun("stop"), "KILLED"), (ValueError("x"), "FAILED")])
def test_how_a_run_ended_is_told(store: Store, tmp_path: Path, error: Exception, status: str) -> None:
    folder = make_folder(tmp_path / "run")
    with pytest.raises(type(error)), watched(Silent(), [parse_sink("mlflow")], folder) as observer:  # noqa: PT012
        observer.begin("title", make_settings(), make_progress(), 1)
        raise error
    assert store.runs["id0"]["status"] == status


def make_settings() -> Any:
    from rcekd.training.settings import TrainSettings

    return TrainSettings()


def make_progress() -> Any:
    from rcekd.training.checkpoint import Progress

    return Progress()


def test_a_server_that_is_away_at_the_start_is_an_error(
    store: Store, tmp_path: Path, tiny_interactions: Interactions
) -> None:
    store.down = True
    with pytest.raises(InputError, match=r"mlflow: http://here does not answer \(no route\)$"):
        train(make_folder(tmp_path / "run"), tiny_interactions, "mlflow:http://here", 2)
    with pytest.raises(InputError, match=r"mlflow:nonsense://: unsupported address;"):
        train(make_folder(tmp_path / "run"), tiny_interactions, "mlflow:nonsense://", 2)


def test_a_server_that_goes_away_does_not_stop_the_training(
    store: Store, tmp_path: Path, tiny_interactions: Interactions
) -> None:
    folder = make_folder(tmp_path / "run")
    take, calls = store.log_batch, iter(range(100))

    def fail(run_id: str, **what: Any) -> None:
        store.down = next(calls) >= 3  # the settings, and two epochs
        take(run_id, **what)

    store.log_batch = fail  # type: ignore[method-assign, assignment]
    with pytest.warns(UserWarning, match="MLflow failed .*no route.* metrics.jsonl has everything"):
        train(folder, tiny_interactions, "mlflow", 4)
    assert len(folder.read_metrics()) == 4
    assert [step for step, _ in store.curve("id0", "loss")] == [0, 1]


def test_with_mlflow_itself(tmp_path: Path, tiny_interactions: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where MLflow is installed (it is too large for the development packages): a store in one SQLite file."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    place = f"sqlite:///{tmp_path / 'store.db'}"
    folder = make_folder(tmp_path / "run")
    train(folder, tiny_interactions, f"mlflow:{place}", 2)
    train(folder, tiny_interactions, f"mlflow:{place}", 4)
    client = mlflow.MlflowClient(tracking_uri=place)
    (run,) = client.search_runs([client.get_experiment_by_name("rcekd").experiment_id])
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    found = {
        key: [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, key)]
        for key in ("loss", "valid/ndcg_at_10")
    }
    assert_every_epoch_once(found, folder.read_metrics())
