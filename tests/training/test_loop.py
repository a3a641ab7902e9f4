"""The one loop: what it writes, when it stops, how it goes on, and what it says when the loss is none."""

import json
import os
import signal
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rcekd.datasets import Interactions
from rcekd.errors import DivergedError, InterruptedRun
from rcekd.models import MF, Batch
from rcekd.stopwatch import Stopwatch
from rcekd.training.batches import training_batches
from rcekd.training.files import write_whole
from rcekd.training.loop import Task
from tests.training.workbench import make_task, make_trainer

METHODS = [None, "ce", "rcekd"]
TIMINGS = ("seconds", "phases")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]


def without_timings(folder: Path) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key not in TIMINGS} for line in lines(folder)]


def model_bytes(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_it_learns_the_checkerboard(tiny_interactions: Interactions, tmp_path: Path) -> None:
    trainer, observer = make_trainer(make_task(tiny_interactions, epochs=40, learning_rate=0.05), tmp_path)
    trained = trainer.run()
    assert trained.metrics["test"]["recall@10"] > 0.9
    losses = [line["loss"] for line in lines(tmp_path)]
    assert losses[-1] < 0.5 * losses[0]
    assert (observer.begun, observer.ended, observer.steps) == (1, 1, 40 * 5)
    assert observer.lines == lines(tmp_path)


def test_the_best_epoch_is_what_is_saved_and_measured(tiny_interactions: Interactions, tmp_path: Path) -> None:
    task = make_task(tiny_interactions, epochs=12)
    trained = make_trainer(task, tmp_path)[0].run()
    values = [line["valid"]["ndcg@10"] for line in lines(tmp_path)]
    assert trained.best_epoch == values.index(max(values))
    assert trained.metrics["valid"]["ndcg@10"] == max(values)
    assert [line["epoch"] for line in lines(tmp_path) if line["best"]][-1] == trained.best_epoch
    for name, tensor in load_file(tmp_path / "model.safetensors").items():
        assert torch.equal(tensor, task.model.state_dict()[name])


TAUGHT: list[tuple[str | None, dict[str, Any]]] = [
    (None, {}),
    ("ce", {"K": 6, "lambda": 0.3}),
    ("bd", {"eps_tanh": 0.1, "lambda": 0.3, "lambda_T": 2.0}),
]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize(("method", "case"), TAUGHT, ids=str)
def test_it_minimises_the_base_loss_and_lambda_times_the_methods_and_the_methods_own(
    tiny_interactions: Interactions, tmp_path: Path, method: str | None, case: dict[str, Any], reduction: str
) -> None:
    """Two epochs, step by step with torch's Adam; only the last is evaluated, so that it is the best."""

    def task() -> Task:
        settings = {"epochs": 2, "eval_every": 2, "weight_decay": 0.01, "reduction": reduction}
        return make_task(tiny_interactions, method=method, case=case, **settings)

    trained, again = task(), task()
    make_trainer(trained, tmp_path)[0].run()
    model, taught, batches = again.model, again.method, training_batches(tiny_interactions, None)
    parameters = list(model.parameters())
    if taught is not None:
        taught.meet(model)
        parameters += taught.trained.parameters()
    adam = torch.optim.Adam(parameters, lr=0.02, weight_decay=0.01)
    for epoch, line in enumerate(lines(tmp_path)):
        if taught is not None:
            taught.start_epoch(model, epoch)
        told = torch.zeros(2)
        for batch in batches.epoch(again.train, 0, epoch, Stopwatch()):
            base = model.loss(batch)
            kd = base.new_zeros(()) if taught is None else taught.loss(model, batch)
            own = None if taught is None else taught.own_loss(batch)
            loss = base + 0.3 * kd + (0.0 if own is None else own)
            adam.zero_grad()
            (loss / len(batch.user_B) if reduction == "mean" else loss).backward()
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
            adam.step()
            told += torch.stack([base.detach(), kd.detach()])
        mean_base, mean_kd = (told / len(batches)).tolist()
        assert line["base_loss"] == pytest.approx(mean_base, rel=1e-4)
        assert line.get("kd_loss", 0.0) == pytest.approx(mean_kd, rel=1e-4)
        assert line["loss"] == pytest.approx(mean_base + 0.3 * mean_kd, rel=1e-4)
    for found, wanted in zip(trained.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_a_lazy_adam_is_another(tiny_interactions: Interactions, tmp_path: Path) -> None:
    for name in ("adam", "lazy-adam"):
        make_trainer(make_task(tiny_interactions, optimizer=name, batch_size=4), tmp_path / name)[0].run()
    assert model_bytes(tmp_path / "adam") != model_bytes(tmp_path / "lazy-adam")


def test_early_stopping(tiny_interactions: Interactions, tmp_path: Path) -> None:
    """A step too small to change any ranking: the first evaluation stays the best."""
    task = make_task(tiny_interactions, epochs=50, patience=3, learning_rate=1e-12, weight_decay=0)
    assert make_trainer(task, tmp_path)[0].run().epochs == 4


def test_patience_begins_with_the_method(tiny_interactions: Interactions, tmp_path: Path) -> None:
    task = make_task(tiny_interactions, epochs=50, patience=3, learning_rate=1e-12, weight_decay=0)
    trained = make_trainer(replace(task, idle_epochs=10), tmp_path)[0].run()
    assert (trained.best_epoch, trained.epochs) == (0, 13)
    seconds = [line["seconds"] for line in lines(tmp_path)]
    assert trained.seconds_per_epoch == statistics.median(seconds[10:])


def test_without_a_validation_pair_the_last_epoch_is_kept_and_nothing_stops_it(
    unvalidated: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def task() -> Task:
        return make_task(unvalidated, epochs=6, patience=2, checkpoint_seconds=0)

    trained = make_trainer(task(), tmp_path / "whole")[0].run()
    assert (trained.epochs, trained.best_epoch) == (6, 5)
    assert not any("valid" in line for line in lines(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        stop_after(5, patch, kill)
        with pytest.raises(Killed):
            make_trainer(task(), tmp_path / "killed")[0].run()
    make_trainer(task(), tmp_path / "killed")[0].run()
    assert model_bytes(tmp_path / "killed") == model_bytes(tmp_path / "whole")


def test_evaluation_every_third_epoch_and_at_the_end(tiny_interactions: Interactions, tmp_path: Path) -> None:
    make_trainer(make_task(tiny_interactions, epochs=7, eval_every=3), tmp_path)[0].run()
    assert ["valid" in line for line in lines(tmp_path)] == [False, False, True, False, False, True, True]


def test_the_metric_watched_chooses_the_epoch(tiny_interactions: Interactions, tmp_path: Path) -> None:
    trained = make_trainer(make_task(tiny_interactions, epochs=10, watch="recall@20"), tmp_path)[0].run()
    values = [line["valid"]["recall@20"] for line in lines(tmp_path)]
    assert trained.best_epoch == values.index(max(values))


@pytest.mark.parametrize("method", METHODS)
def test_the_same_run_twice_gives_the_same_bytes(
    tiny_interactions: Interactions, tmp_path: Path, method: str | None
) -> None:
    for name in "ab":
        make_trainer(make_task(tiny_interactions, method=method), tmp_path / name)[0].run()
    assert model_bytes(tmp_path / "a") == model_bytes(tmp_path / "b")
    assert without_timings(tmp_path / "a") == without_timings(tmp_path / "b")


@pytest.mark.parametrize("method", METHODS)
def test_threads_do_not_change_a_byte(tiny_interactions: Interactions, tmp_path: Path, method: str | None) -> None:
    for threads in (1, 2):
        torch.set_num_threads(threads)
        make_trainer(make_task(tiny_interactions, method=method), tmp_path / str(threads))[0].run()
    assert model_bytes(tmp_path / "1") == model_bytes(tmp_path / "2")


def stop_after(epochs: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Call `act` when the loop begins to train the epoch of this number."""
    from rcekd.training.loop import Trainer

    train = Trainer._train

    def stopping(self: Trainer, epoch: int) -> Any:
        if epoch == epochs:
            act()
        return train(self, epoch)

    monkeypatch.setattr(Trainer, "_train", stopping)


class Killed(BaseException):
    """What SIGKILL looks like from inside: nothing after it is done."""


def kill() -> None:
    raise Killed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1000.0])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    tiny_interactions: Interactions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str | None,
    checkpoint_seconds: float,
) -> None:
    """Saved after each epoch, or never: the end is the same, and each epoch has one line."""
    make_trainer(make_task(tiny_interactions, method=method), tmp_path / "whole")[0].run()
    for epoch in (2, 5):
        trainer, _ = make_trainer(
            make_task(tiny_interactions, method=method, checkpoint_seconds=checkpoint_seconds), tmp_path / "killed"
        )
        with monkeypatch.context() as patch:
            stop_after(epoch, patch, kill)
            with pytest.raises(Killed):
                trainer.run()
    task = make_task(tiny_interactions, method=method, checkpoint_seconds=checkpoint_seconds)
    make_trainer(task, tmp_path / "killed")[0].run()
    assert model_bytes(tmp_path / "whole") == model_bytes(tmp_path / "killed")
    assert without_timings(tmp_path / "whole") == without_timings(tmp_path / "killed")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_epoch_and_saves(
    tiny_interactions: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    make_trainer(make_task(tiny_interactions), tmp_path / "whole")[0].run()
    before = signal.getsignal(number)
    trainer, _ = make_trainer(make_task(tiny_interactions), tmp_path / "stopped")
    with monkeypatch.context() as patch:
        stop_after(2, patch, lambda: os.kill(os.getpid(), number))
        with pytest.raises(InterruptedRun, match="stopped after 3 epochs, state saved"):
            trainer.run()
    assert signal.getsignal(number) == before
    assert not (tmp_path / "stopped" / "model.safetensors").exists()
    assert len(lines(tmp_path / "stopped")) == 3
    _, observer = resumed = make_trainer(make_task(tiny_interactions), tmp_path / "stopped")
    resumed[0].run()
    assert len(observer.lines) == 3
    assert model_bytes(tmp_path / "whole") == model_bytes(tmp_path / "stopped")


def test_a_second_ctrl_c_stops_at_once(
    tiny_interactions: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    stop_after(2, monkeypatch, twice)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(make_task(tiny_interactions), tmp_path)[0].run()
    assert len(lines(tmp_path)) == 2


def test_a_kill_while_the_checkpoint_is_written_leaves_the_last_one(
    tiny_interactions: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_trainer(make_task(tiny_interactions), tmp_path / "whole")[0].run()
    calls = 0

    def cut(path: Path, write: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            (path.parent / f".{path.name}.x.part").write_bytes(b"half")
            raise Killed
        write_whole(path, write)

    trainer, _ = make_trainer(make_task(tiny_interactions, checkpoint_seconds=0), tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr("rcekd.training.checkpoint.write_whole", cut)
        with pytest.raises(Killed):
            trainer.run()
    make_trainer(make_task(tiny_interactions, checkpoint_seconds=0), tmp_path / "killed")[0].run()
    assert model_bytes(tmp_path / "whole") == model_bytes(tmp_path / "killed")


# --- a loss that is none --------------------------------------------------------------------------------------------


def poison(monkeypatch: pytest.MonkeyPatch, at_call: int, value: float) -> None:
    """Multiply MF's loss by `value` at one step."""
    loss, calls = MF.loss, 0

    def poisoned(self: MF, batch: Batch) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return loss(self, batch) * (value if calls == at_call else 1.0)

    monkeypatch.setattr(MF, "loss", poisoned)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e6])
def test_the_batch_is_named(
    tiny_interactions: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    poison(monkeypatch, 5 + 3, value)
    with pytest.raises(DivergedError) as caught:
        make_trainer(make_task(tiny_interactions), tmp_path)[0].run()
    message = str(caught.value)
    assert "in epoch 2, batch 3 of 5, up from 0.69" in message
    assert "lower train.learning_rate (now 0.02)" in message
    assert len(lines(tmp_path)) == 1


def test_the_first_batch_of_all(
    tiny_interactions: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, 1, float("nan"))
    with pytest.raises(DivergedError, match="is nan in epoch 1, batch 1 of 5; lower"):
        make_trainer(make_task(tiny_interactions), tmp_path)[0].run()


@pytest.mark.parametrize("method", METHODS)
def test_a_huge_learning_rate(tiny_interactions: Interactions, tmp_path: Path, method: str | None) -> None:
    with pytest.raises(DivergedError, match="epoch 1") as caught:
        make_trainer(make_task(tiny_interactions, method=method, learning_rate=1e25), tmp_path)[0].run()
    assert ("method.lambda" in str(caught.value)) == (method is not None)


@pytest.mark.parametrize("where", ["rcekd.training.loop.evaluate_valid", "rcekd.methods.rcekd.closure"])
def test_a_kernel_that_meets_no_number(
    tiny_interactions: Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FloatingPointError("user 7: a score is NaN")

    monkeypatch.setattr(where, refuse)
    with pytest.raises(DivergedError, match=r"user 7: a score is NaN\) in epoch 1; lower train\.learning_rate"):
        make_trainer(make_task(tiny_interactions, method="rcekd"), tmp_path)[0].run()
