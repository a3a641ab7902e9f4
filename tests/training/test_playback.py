"""Steps that are recorded and played: the same run as step by step, whatever becomes of the recording.

On the CPU a recorder stands in that does the recorded work again; on a GPU it is a CUDA graph.
"""

import gc
import warnings
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd import devices, work
from rcekd.datasets import Interactions
from rcekd.methods import METHODS, Method, build_method, method_settings
from rcekd.models import MODELS, Backbone, Batch, LightGCNSettings, build_model
from rcekd.training import recording
from rcekd.training.loop import Task, Trainer
from tests.contracts.board import checkerboard
from tests.contracts.teacher import full_teacher
from tests.training.test_loop import without_timings
from tests.training.workbench import make_task, make_trainer

SIZE = 16  # 144 interactions and more: nine full batches at least

CODE = {"K": 6, "L": 5, "variant": "code", "horizon": 12}
RUNS: dict[str, dict[str, Any]] = {
    "alone": {},
    "lazy": {"optimizer": "lazy-adam"},
    "mean": {"reduction": "mean", "negatives": 3},
    "ce": {"method": "ce"},
    "rcekd": {"method": "rcekd"},
    "rcekd-code": {"method": "rcekd", "case": CODE},
    "lightgcn": {"student": {"model": "lightgcn", "dim": 4}},
    "lightgcn-dropout": {"student": {"model": "lightgcn", "dim": 4, "edge_dropout": 0.2}, "method": "rcekd"},
}
NOT_RECORDED: dict[str, dict[str, Any]] = {
    "asked not to": {"cuda_graph": False},
    "a method that waits": {"method": "rrd", "case": {"K": 4, "L": 3, "M": 5, "T": 2.0}},
    "all items": {"method": "ce", "case": {"items": "all"}},
    "few steps": {"batch_size": 24},
}


def task_of(data: Interactions, *, student: dict[str, Any] | None = None, **asked: Any) -> Task:
    """A task of 16 interactions a step; the student is an MF unless given."""
    task = make_task(data, **{"batch_size": SIZE, "epochs": 3, **asked})
    if student is None:
        return task
    return replace(task, model=build_model(LightGCNSettings.model_validate(student), data, seed=0))


class Repeating:
    """Stands in for a GPU's recorder."""

    def __init__(self) -> None:
        self.recorded = self.played = 0

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        self.recorded += 1

        def play() -> None:
            self.played += 1
            work()

        return play


class Refusing:
    """Cannot record; what was remembered of the parameters meanwhile was never computed."""

    def __init__(self, model: Any) -> None:
        self.asked, self.model = 0, model

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        del work
        self.asked += 1
        for side in ("user", "item"):
            nonsense = torch.full_like(getattr(self.model, side), float("nan")).requires_grad_()
            self.model._cache.keep(side, nonsense * 1.0)
        raise RuntimeError("no\nreally")


def trained(task: Task, path: Path) -> tuple[Trainer, list[Tensor], list[dict[str, Any]]]:
    """A trained task: weights, moments and their counts, and the epochs' lines without times."""
    trainer, observer = make_trainer(task, path)
    trainer.run()
    assert observer.steps == sum(1 for _ in observer.lines) * -(-len(trainer._batches) // task.train.batch_size)
    moments = trainer._state.optimizer.state_dict()["moments"]
    state = [torch.tensor([one["step"] for one in moments])]
    state += [one[name].cpu() for one in moments for name in ("exp_avg", "exp_avg_sq")]
    return trainer, [*(p.detach().cpu() for p in task.model.parameters()), *state], without_timings(path)


def assert_same(found: tuple[Any, list[Tensor], Any], expected: tuple[Any, list[Tensor], Any]) -> None:
    assert found[2] == expected[2]
    for one, other in zip(found[1], expected[1], strict=True):
        assert torch.equal(one, other)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Repeating:
    """What the recorder of the CPU is in this test."""
    made = Repeating()
    monkeypatch.setattr(recording, "recorder", lambda _: made)
    return made


@pytest.mark.parametrize("asked", RUNS.values(), ids=RUNS)
def test_a_played_run_is_the_run(
    tiny_interactions: Interactions, tmp_path: Path, stand_in: Repeating, asked: dict[str, Any]
) -> None:
    expected = trained(task_of(tiny_interactions, cuda_graph=False, **asked), tmp_path / "steps")
    assert stand_in.recorded == 0
    found = trained(task_of(tiny_interactions, **asked), tmp_path / "played")
    assert_same(found, expected)
    full = len(found[0]._batches) // SIZE
    assert (stand_in.recorded, stand_in.played) == (3, 3 * (full - 1))
    assert "step" in found[0]._progress.phases
    assert "step" not in expected[0]._progress.phases


@pytest.mark.usefixtures("stand_in")
def test_a_trainer_goes_when_it_is_let_go(tiny_interactions: Interactions, tmp_path: Path) -> None:
    """And the device's memory with it, at once: a profile's peak would show the teacher's otherwise."""
    gc.disable()
    try:
        trainer, *_ = trained(task_of(tiny_interactions, method="rcekd"), tmp_path)
        gone = weakref.ref(trainer)
        del trainer, _
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("asked", NOT_RECORDED.values(), ids=NOT_RECORDED)
def test_what_is_not_recorded(tmp_path: Path, stand_in: Repeating, asked: dict[str, Any]) -> None:
    trained(task_of(checkerboard(24, 20), **asked), tmp_path)
    assert stand_in.recorded == 0


def test_where_work_is_counted_steps_are_taken_one_by_one(
    tiny_interactions: Interactions, tmp_path: Path, stand_in: Repeating
) -> None:
    with work.counting() as ledger:
        trained(task_of(tiny_interactions), tmp_path)
    assert stand_in.recorded == 0
    assert {"forward", "optimiser"} <= ledger.phases.keys()


def test_what_cannot_be_recorded_is_done_step_by_step(
    tiny_interactions: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = trained(task_of(tiny_interactions, **RUNS["lightgcn"]), tmp_path / "steps")
    task = task_of(tiny_interactions, **RUNS["lightgcn"])
    recorder = Refusing(task.model)
    monkeypatch.setattr(recording, "recorder", lambda _: recorder)
    with pytest.warns(UserWarning, match=r"recorded as a CUDA graph \(no\); .* the same results") as told:
        found = trained(task, tmp_path / "refused")
    assert_same(found, expected)
    assert (recorder.asked, len(told)) == (1, 1)


def test_another_error_is_no_refusal(tiny_interactions: Interactions, tmp_path: Path, stand_in: Repeating) -> None:
    def fail(_: object) -> None:
        raise ValueError("ours")

    stand_in.record = fail  # type: ignore[assignment]
    with pytest.raises(ValueError, match="ours"):
        trained(task_of(tiny_interactions), tmp_path)


@pytest.mark.parametrize("asked", [RUNS["alone"], RUNS["rcekd"]], ids=["alone", "rcekd"])
@pytest.mark.parametrize("first", [True, False], ids=["played first", "played then"])
def test_a_run_goes_on_with_or_without_recordings(
    tiny_interactions: Interactions, tmp_path: Path, stand_in: Repeating, asked: dict[str, Any], first: bool
) -> None:
    """What is saved does not tell how the steps were taken."""
    expected = trained(task_of(tiny_interactions, **asked, epochs=4), tmp_path / "whole")
    begun, _ = make_trainer(task_of(tiny_interactions, cuda_graph=first, **asked, epochs=4), tmp_path / "parts")
    for epoch in (0, 1):
        begun._epoch(epoch)
    begun._saved_at = -1e9
    begun._save(False)  # type: ignore[arg-type]
    trainer, _ = make_trainer(task_of(tiny_interactions, cuda_graph=not first, **asked, epochs=4), tmp_path / "parts")
    assert trainer._progress.epochs == 2
    trainer.run()
    name = "model.safetensors"
    assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert without_timings(tmp_path / "parts") == expected[2]
    assert stand_in.recorded == 4 + 2


def test_only_a_gpu_records() -> None:
    assert recording.recorder(devices.CPU) is None


def test_only_what_says_so_is_recorded(tiny_interactions: Interactions) -> None:
    """Of the models and methods, those that were looked at for this say so; a combination, where all parts do."""
    said = [name for name, entry in MODELS.items() if entry.build.is_recordable is not Backbone.is_recordable]
    assert said == ["mf", "lightgcn"]
    built = {name: entry.build for name, entry in METHODS.items() if entry.build is not None}
    said = [name for name, build in built.items() if build.is_recordable is not Method.is_recordable]
    assert said == ["ce", "rcekd"]
    case = {"ce": {"K": 6}, "rrd": {"K": 4, "L": 3, "M": 5, "T": 2.0}, "rcekd": {"K": 6, "L": 5}}
    teacher = full_teacher(build_model(LightGCNSettings(dim=4), tiny_interactions, seed=1).tables())
    for name, expected in (("ce+rcekd", True), ("ce+rrd", False)):
        parts = {part: case[part] for part in name.split("+")}
        method = build_method(method_settings({"name": name, **parts}), teacher, tiny_interactions, seed=0)
        assert method is not None
        assert method.is_recordable == expected


# --- on a GPU -------------------------------------------------------------------------------------------------------


@pytest.fixture
def on_gpu(gpu: torch.device) -> Interactions:
    return checkerboard(60, 50).to(gpu)


@pytest.mark.gpu
@pytest.mark.parametrize("asked", RUNS.values(), ids=RUNS)
def test_on_a_gpu_a_played_run_is_the_run(on_gpu: Interactions, tmp_path: Path, asked: dict[str, Any]) -> None:
    """The same bytes of weights and moments, and the same figures; nothing was refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        expected = trained(task_of(on_gpu, cuda_graph=False, **asked), tmp_path / "steps")
        found = trained(task_of(on_gpu, **asked), tmp_path / "played")
    assert_same(found, expected)
    assert "step" in found[0]._progress.phases


@pytest.mark.gpu
@pytest.mark.parametrize("asked", [RUNS["alone"], RUNS["lightgcn"]], ids=["mf", "lightgcn"])
def test_on_a_gpu_a_step_that_waits_is_refused_and_done(
    on_gpu: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    expected = trained(task_of(on_gpu, cuda_graph=False, **asked), tmp_path / "steps")
    task = task_of(on_gpu, **asked)
    loss = type(task.model).loss

    def waiting(self: Any, batch: Batch) -> Tensor:
        found = loss(self, batch)
        float(found.detach())
        return found

    monkeypatch.setattr(type(task.model), "loss", waiting)
    with pytest.warns(UserWarning, match="could not be recorded"):
        found = trained(task, tmp_path / "refused")
    assert_same(found, expected)


@pytest.mark.gpu
def test_on_a_gpu_memory_does_not_grow_with_the_epochs(on_gpu: Interactions, tmp_path: Path) -> None:
    trainer, _ = make_trainer(task_of(on_gpu, method="rcekd", epochs=100, checkpoint_seconds=1e9), tmp_path)
    held = []
    for epoch in range(12):
        trainer._epoch(epoch)
        held.append(torch.cuda.memory_reserved())
    assert held[-1] == held[5]
