"""The one training loop: base loss, plus λ times a method's loss where there is one."""

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rcekd import work
from rcekd.datasets import Interactions
from rcekd.errors import DivergedError, InterruptedRun
from rcekd.evaluation.ranking import EvalSettings, evaluate_model, evaluate_valid
from rcekd.methods import Method
from rcekd.models import Backbone, Batch
from rcekd.stopwatch import Stopwatch
from rcekd.training import recording
from rcekd.training.batches import cut, training_batches
from rcekd.training.checkpoint import Progress, Stateful, load_checkpoint, save_checkpoint
from rcekd.training.interrupt import StopRequest, stop_on_signal
from rcekd.training.optimizer import Adam
from rcekd.training.playback import Player
from rcekd.training.run_folder import RunFolder
from rcekd.training.settings import TrainSettings

# A batch whose mean loss is this many times the first batch's is no longer training.
EXPLOSION = 1e4


class Observer(Protocol):
    """Whoever watches a run; the loop itself prints nothing."""

    def begin(self, title: str, settings: TrainSettings, progress: Progress, steps: int) -> None: ...
    def step(self) -> None: ...
    def epoch(self, line: dict[str, Any], progress: Progress) -> None: ...
    def end(self, progress: Progress) -> None: ...


class Silent:
    """Watches and shows nothing."""

    def begin(self, title: str, settings: TrainSettings, progress: Progress, steps: int) -> None: ...
    def step(self) -> None: ...
    def epoch(self, line: dict[str, Any], progress: Progress) -> None: ...
    def end(self, progress: Progress) -> None: ...


@dataclass(frozen=True)
class Task:
    """What is trained, on what, and how."""

    title: str
    model: Backbone
    data: Interactions
    train: TrainSettings
    evaluation: EvalSettings
    seed: int
    identity: str
    method: Method | None = None
    weight: float = 0.0
    section: str = "train"
    """The key under which a user finds the settings in `train`."""
    idle_epochs: int = 0
    """Epochs before the method begins: patience counts from there."""
    keep_trajectory: bool = False
    """Whether the model at some moments of its training is kept, for methods that teach from them."""
    keep_moments: bool = False
    """Whether it is kept from the untrained model to the last epoch's, for analysis."""

    @property
    def is_recordable(self) -> bool:
        """Whether the settings, the model and the method let a step be recorded, where there is a GPU to record it."""
        taught = self.method is None or self.method.is_recordable
        return self.train.cuda_graph and self.model.is_recordable and taught


@dataclass(frozen=True)
class Trained:
    """The best epoch's model (in `task.model`), its metrics, and what the run cost.

    Where the data has no validation pair, the last epoch stands for the best. seconds_per_epoch: the median, from where
    the method begins.
    """

    epochs: int
    best_epoch: int
    seconds_per_epoch: float
    seconds_total: float
    phases: dict[str, float]
    metrics: dict[str, dict[str, float]]


class Trainer:
    """Runs a task in a run folder, from its last saved state where there is one."""

    def __init__(self, task: Task, folder: RunFolder, observer: Observer) -> None:
        if not task.data.is_validated:  # nothing to choose an epoch by, or to be patient about
            task = replace(task, train=task.train.model_copy(update={"patience": 0}))
        self._task, self._folder, self._observer = task, folder, observer
        self._batches = training_batches(task.data, task.model.window)
        self._clock = Stopwatch(task.data.device)
        if task.method is not None:
            task.method.meet(task.model)
        own = (task.method.trained if task.method is not None else nn.Module()).to(task.data.device)
        parameters = [*task.model.parameters(), *own.parameters()]
        train = task.train
        optimizer = Adam(
            parameters,
            learning_rate=train.learning_rate,
            weight_decay=train.weight_decay,
            lazy=train.optimizer == "lazy-adam",
        )
        self._state = Stateful(task.model, own, optimizer)
        self._progress = Progress()
        if folder.checkpoint_file.is_file():
            self._progress = load_checkpoint(folder.checkpoint_file, task.identity, self._state)
        recorder = recording.recorder(task.data.device) if task.is_recordable else None
        losses = 1 if task.method is None else 2
        self._player = None if recorder is None else Player(recorder, optimizer, losses)
        self._saved_at = time.monotonic()

    def run(self) -> Trained:
        """Train to the end. InterruptedRun after a signal, DivergedError where the loss stops being one."""
        task, progress = self._task, self._progress
        self._folder.truncate_metrics(progress.epochs)
        self._observer.begin(task.title, task.train, progress, self._batches.steps(task.train))
        if task.keep_moments and progress.epochs == 0:
            self._folder.moments.keep(0, task.model.tables())
        with stop_on_signal() as stop:
            while progress.epochs < task.train.epochs and not progress.best.exhausted(task.train.patience):
                self._guarded_epoch(progress.epochs)
                self._save(stop)
        self._observer.end(progress)
        return self._finish()

    def _guarded_epoch(self, epoch: int) -> None:
        try:
            self._epoch(epoch)
        except FloatingPointError as error:  # a kernel met a score that is no number, between batches
            raise DivergedError(self._diverged(f"training has diverged ({error}) in epoch {epoch + 1}")) from error

    def _epoch(self, epoch: int) -> None:
        task, progress = self._task, self._progress
        begin = time.perf_counter()
        task.model.train()
        task.model.begin_epoch(task.seed, epoch)
        loss_N3 = self._train(epoch)
        self._check(loss_N3, epoch)
        mean_base, mean_kd = (loss_N3[:, :2].sum(0) / len(self._batches)).tolist()
        line: dict[str, Any] = {"epoch": epoch, "loss": mean_base + task.weight * mean_kd, "base_loss": mean_base}
        if task.method is not None:
            line |= {"kd_loss": mean_kd, **task.method.report()}
        last = epoch + 1 == task.train.epochs
        if not task.data.is_validated:
            if last:
                progress.best.keep_last(epoch, task.model.state_dict())
        elif last or (epoch + 1) % task.train.eval_every == 0:
            with self._clock.phase("evaluation"):
                line["valid"] = evaluate_valid(task.model.tables(), task.data, task.evaluation)
            line["best"] = progress.best.update(epoch, line["valid"][task.train.watch], task.model.state_dict())
            if epoch < task.idle_epochs:
                progress.best.stale = 0
        if task.keep_trajectory:
            self._folder.trajectory.keep(epoch + 1, task.model.tables())
        if task.keep_moments:
            self._folder.moments.keep(epoch + 1, task.model.tables())
        phases = self._clock.take() | (task.method.clock.take() if task.method is not None else {})
        line["seconds"] = time.perf_counter() - begin
        line["phases"] = phases
        progress.epochs = epoch + 1
        progress.seconds.append(line["seconds"])
        for name, seconds in phases.items():
            progress.phases[name] = progress.phases.get(name, 0.0) + seconds
        self._folder.append_metrics(line)
        self._observer.epoch(line, progress)

    def _train(self, epoch: int) -> Tensor:
        """One pass over the data: each step's base and distillation loss and size, float64 [steps, 3] on the CPU."""
        task = self._task
        if task.method is not None:
            task.method.start_epoch(task.model, epoch)
        found, batches = self._play(epoch)
        sizes = [task.train.batch_size] * sum(map(len, found))
        for batch in batches:
            found.append(self._step(batch)[None])
            sizes.append(batch.user_B.numel())
        loss_NL = torch.cat(found).double().cpu()  # here the host waits until the epoch's steps are done
        loss_N2 = loss_NL if task.method is not None else nn.functional.pad(loss_NL, (0, 1))
        return torch.cat([loss_N2, torch.tensor(sizes, dtype=torch.float64)[:, None]], dim=1)

    def _play(self, epoch: int) -> tuple[list[Tensor], Iterator[Batch]]:
        """Take the steps that can be recorded and played; returns their losses, [steps, losses], and what is left."""
        train, seed, player, whole = self._task.train, self._task.seed, self._player, None
        size = train.batch_size
        # Where work is counted, each step is, phase by phase.
        if player is not None and player.takes(len(self._batches) // size) and not work.is_counted():
            whole = self._batches.whole(train, seed, epoch, self._clock)
        if player is None or whole is None:
            return [], self._batches.epoch(train, seed, epoch, self._clock)
        with self._clock.phase("step"):
            loss_NL = player.play(self._unphased_step, whole, size, self._observer.step)
            if epoch + 1 < train.epochs:  # the device is busy with this one
                self._batches.ahead(seed, epoch + 1)
        done = size * len(loss_NL)
        return [loss_NL], cut(Batch(*(column[done:] for column in whole)), size)

    def _step(self, batch: Batch) -> Tensor:
        """Train on a batch; returns its base loss and the method's, where there is one: [1] or [2]."""
        with self._clock.phase("forward"):
            loss, loss_L = self._loss(batch)
        with self._clock.phase("backward"):
            self._backward(loss)
        with self._clock.phase("optimiser"):
            self._state.optimizer.step()
        self._observer.step()
        return loss_L

    def _unphased_step(self, batch: Batch, rates_P2: Tensor) -> Tensor:
        """The same by these rates of Adam, and nothing else: what can be recorded."""
        loss, loss_L = self._loss(batch)
        self._backward(loss)
        self._state.optimizer.step(rates_P2)
        return loss_L

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What is minimised, and the losses that are told of it."""
        task = self._task
        base = task.model.loss(batch)
        kd = task.method.loss(task.model, batch) if task.method is not None else None
        loss = base if kd is None else base + task.weight * kd
        own = task.method.own_loss(batch) if task.method is not None else None
        loss = loss if own is None else loss + own
        if task.train.reduction == "mean":
            loss = loss / batch.user_B.numel()
        return loss, base.detach()[None] if kd is None else torch.stack([base.detach(), kd.detach()])

    def _backward(self, loss: Tensor) -> None:
        self._state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]

    def _check(self, loss_N3: Tensor, epoch: int) -> None:
        """DivergedError where a loss is not finite or has exploded."""
        progress = self._progress
        mean_N = (loss_N3[:, 0] + self._task.weight * loss_N3[:, 1]) / loss_N3[:, 2]
        if progress.first_loss is None:
            progress.first_loss = float(mean_N[0])
        # The untrained model's loss is the measure; NaN fails every comparison.
        bad = (~(mean_N <= EXPLOSION * max(progress.first_loss, 1e-6)) | ~torch.isfinite(mean_N)).nonzero()
        if bad.numel():
            first = int(bad[0])
            found = f"the loss per interaction is {float(mean_N[first]):.3g}"
            since = "" if first == epoch == 0 else f", up from {progress.first_loss:.3g} at the start"
            where = f"in epoch {epoch + 1}, batch {first + 1} of {len(mean_N)}"
            raise DivergedError(self._diverged(f"{found} {where}{since}"))

    def _diverged(self, what: str) -> str:
        task = self._task
        remedy = f"lower {task.section}.learning_rate (now {task.train.learning_rate:g})"
        if task.method is not None:
            remedy += f" or method.lambda (now {task.weight:g})"
        return f"{task.title}: {what}; {remedy}"

    def _save(self, stop: StopRequest) -> None:
        """Save the state when it is due, and always before stopping on request."""
        task, progress = self._task, self._progress
        over = progress.epochs >= task.train.epochs or progress.best.exhausted(task.train.patience)
        if stop or over or time.monotonic() - self._saved_at >= task.train.checkpoint_seconds:
            save_checkpoint(self._folder.checkpoint_file, task.identity, self._state, progress)
            self._saved_at = time.monotonic()
        if stop:
            self._observer.end(progress)
            raise InterruptedRun(f"{task.title}: stopped after {progress.epochs} epochs, state saved")

    def _finish(self) -> Trained:
        task, progress = self._task, self._progress
        if task.keep_moments:
            self._folder.moments.write(progress.epochs, task.model.tables())
        task.model.load_state_dict(progress.best.weights)
        if task.keep_trajectory:
            self._folder.trajectory.finish(progress.best.epoch + 1, progress.epochs)
        self._folder.write_model(progress.best.weights, {"model": task.model.name, "identity": task.identity})
        at_work = progress.seconds[task.idle_epochs :] or progress.seconds  # a method's idle epochs cost less
        return Trained(
            epochs=progress.epochs,
            best_epoch=progress.best.epoch,
            seconds_per_epoch=statistics.median(at_work) if at_work else math.nan,
            seconds_total=sum(progress.seconds),
            phases={name: seconds / progress.epochs for name, seconds in progress.phases.items()},
            metrics=evaluate_model(task.model, task.data, task.evaluation),
        )
