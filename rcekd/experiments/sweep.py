"""Tuning on validation: an Optuna study in a folder, which any number of processes may work on and go on with.

A trial is an ordinary run folder beside the others. Optuna's journal file holds the study; a trial whose process was
killed is taken up where its run stood. Test metrics play no part.

study.jsonl            the study
claims/NUMBER          locked by the process that works on the trial; the lock dies with the process
best.yaml, sweep.json  what was found so far
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from rcekd.config import RunSettings, Values, resolve
from rcekd.datasets import Interactions
from rcekd.errors import DivergedError, InputError, UnknownSetting
from rcekd.experiments import pipeline
from rcekd.experiments.claims import claim
from rcekd.experiments.identity import digest, renewed
from rcekd.experiments.journal import open_journal
from rcekd.experiments.layers import Layer, nested, of_one_variant
from rcekd.experiments.place import Place
from rcekd.experiments.runs import once_free
from rcekd.experiments.spaces import Choices, Space
from rcekd.extras import require
from rcekd.streams import stream_seed
from rcekd.training.checkpoint import Progress
from rcekd.training.files import write_json, write_text
from rcekd.training.loop import Observer
from rcekd.training.run_folder import RunFolder
from rcekd.training.settings import TrainSettings

STARTUP_TRIALS = 3
WARMUP_EPOCHS = 20
REFUSED = "refused"  # marks a trial whose settings were refused: it has failed, and does not count


@dataclass(frozen=True)
class SweepTask:
    """What is searched: settings that hold for every trial, and the space of the others."""

    layers: tuple[Layer, ...]
    space: Space
    trials: int
    prune: bool = True
    teacher_dirs: tuple[Path, ...] = ()
    space_file: Path | None = None
    """Where the user has written the space; None: it is the package's."""

    @cached_property
    def base(self) -> RunSettings:
        """The settings without the search."""
        return resolve(list(self.layers))

    def settings(self, point: dict[str, Any]) -> RunSettings:
        """The settings of a trial. InputError where the space holds what the settings refuse."""
        named = "the search space" if self.space_file is None else f"the search space {self.space_file}"
        return resolve(of_one_variant([*self.layers, (named, nested(point))], self.base.method.name))

    def fitted(self, data: Interactions) -> "SweepTask":
        """The same, with what the package's space has and this data or these settings have no room for left out.

        InputError where a user's own space has such lists, or settings that nothing has.
        """
        if self.space_file is not None:
            self._check_space(data)
            return self
        space = dict(self.space)
        for key, part in self.space.items():
            if isinstance(part, Choices):
                fitting = [value for value in part.values if self._has_room(key, value, data)]
                space[key] = Choices(values=fitting or part.values)
        return replace(self, space=space)

    def _has_room(self, key: str, value: object, data: Interactions) -> bool:
        try:
            self.settings({key: value}).method.check_catalogue(data)
        except InputError:
            return False
        return True

    def _check_space(self, data: Interactions) -> None:
        for key, part in self.space.items():
            for value in part.ends():
                try:
                    settings = self.settings({key: value})
                except UnknownSetting:
                    raise
                except InputError:  # may be right together with others
                    continue
                try:
                    settings.method.check_catalogue(data)
                except InputError as error:
                    raise InputError(f"{self.space_file}: {error}") from error

    def identity(self, data: Interactions) -> str:
        """What the study depends on, the number of trials and pruning aside. InputError for a teacher that is gone."""
        space = {key: part.model_dump(mode="json") for key, part in self.space.items()}
        given = [RunFolder(path).read_summary()["identity"] for path in self.teacher_dirs]
        more: Values = {"teachers": given} if given else {}
        more |= {"features": {name: found.digest for name, found in data.features.items()}} if data.features else {}
        more |= {"times": data.times.digest} if data.times is not None else {}
        own = {"base": self.base.to_values(), "data": data.fingerprint, "space": space, "seed": self.base.seed}
        return digest({"kind": "sweep", **own, **more, **renewed(self.base)})


class Sweep:
    """One process's part in a study."""

    def __init__(self, task: SweepTask, place: Place) -> None:
        self._place = place
        self._optuna = require("optuna", "sweep")
        first = task.settings({})
        data = place.data(first)
        first.method.check_catalogue(data)
        if not data.is_validated:
            raise InputError(
                f"{data.name}, split {data.split}: no interaction is held out for validation, and a sweep chooses by "
                "that; give another data.split, or a data.valid_share above 0"
            )
        self._task = task = task.fitted(data)
        stem = f"{data.name}-{first.teacher.backbone.model}-{first.student.model}"
        self.folder = place.runs_dir / f"sweep-{stem}-{first.method.name}-{task.identity(data)}"
        self.watch = first.train.watch
        self._study = self._open(first)

    def run(self, told: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Try until the study has its trials; `told` hears of each that ends here. Returns what was found."""
        while True:
            for number in self._running():  # a process may have died at any time
                self._try(number, told)
            if self._begun() >= self._task.trials:
                return self.result()
            self._try(self._study.ask().number, told)

    def result(self) -> dict[str, Any]:
        """The study so far: every trial, and the best settings. Writes them beside the journal."""
        trials = [self._describe(trial) for trial in self._study.get_trials(deepcopy=False)]
        done = [trial for trial in trials if trial["state"] == "complete"]
        found: dict[str, Any] = {"sweep_dir": str(self.folder), "watch": self.watch, "trials": trials, "best": None}
        if done:
            found["best"] = max(done, key=lambda trial: trial["value"])
            values = self._task.settings(found["best"]["point"]).to_values()
            if self._task.teacher_dirs:
                values = {"teacher_dirs": [str(path.resolve()) for path in self._task.teacher_dirs], **values}
            write_text(self.folder / "best.yaml", yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
        write_json(self.folder / "sweep.json", found)
        return found

    def _open(self, first: RunSettings) -> Any:
        """The study, made with the preset's own point as its first trial where that lies in the space."""
        optuna = self._optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            (self.folder / "claims").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot write here ({error.strerror}); give --runs-dir") from error
        file = self.folder / "study.jsonl"
        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_EPOCHS)
        try:
            study = optuna.create_study(
                study_name="sweep",
                storage=open_journal(optuna, file),
                load_if_exists=True,
                direction="maximize",
                pruner=pruner if self._task.prune else optuna.pruners.NopPruner(),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:  # a line is no JSON, or no entry
            raise InputError(
                f"{file}: damaged ({type(error).__name__}: {error}); delete {self.folder} and search again"
            ) from error
        study.enqueue_trial(_inside(first.to_values(), self._task.space), skip_if_exists=True)
        return study

    def _sampler(self, number: int) -> Any:
        """Draws the point of a trial from a stream of its own: no other process, nor this one before a stop, has it."""
        seed = stream_seed(self._task.base.seed, "sweep", number) % 2**32
        return self._optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(4, self._task.trials // 3))

    def _begun(self) -> int:
        """Trials that have ended or are at work; those that wait in the queue or were refused do not count."""
        waiting = self._optuna.trial.TrialState.WAITING
        trials = self._study.get_trials(deepcopy=False)
        return sum(trial.state != waiting and REFUSED not in trial.user_attrs for trial in trials)

    def _running(self) -> list[int]:
        """Numbers of the trials that are at work, or whose process has died."""
        running = self._optuna.trial.TrialState.RUNNING
        return [trial.number for trial in self._study.get_trials(deepcopy=False, states=(running,))]

    def _try(self, number: int, told: Callable[[dict[str, Any]], None]) -> None:
        """Work on a trial, unless another process is at it or has just ended it."""
        with claim(self.folder / "claims" / str(number)) as ours:
            frozen = self._study.get_trials(deepcopy=False)[number]
            if not ours or frozen.state != self._optuna.trial.TrialState.RUNNING:
                return
            self._study.sampler = self._sampler(number)
            self._work(self._optuna.trial.Trial(self._study, frozen._trial_id))
        told(self._describe(self._study.get_trials(deepcopy=False)[number]))

    def _work(self, trial: Any) -> None:
        """Train a trial and tell the study how it ended. InputError where it was refused."""
        states = self._optuna.trial.TrialState
        point = {key: part.suggest(trial, key) for key, part in self._task.space.items()}
        try:
            summary = self._train(trial, point)
            self._study.tell(trial, summary["valid"][self.watch])
        except self._optuna.TrialPruned:
            self._study.tell(trial, state=states.PRUNED)
        except DivergedError as error:
            trial.set_user_attr("error", str(error))
            self._study.tell(trial, state=states.FAIL)
        except InputError as error:
            trial.set_user_attr("error", str(error))
            trial.set_user_attr(REFUSED, True)
            self._study.tell(trial, state=states.FAIL)
            raise

    def _train(self, trial: Any, point: dict[str, Any]) -> dict[str, Any]:
        settings = self._task.settings(point)
        idle = settings.method.idle_epochs()
        observer = _Pruning(self._place.observer, trial, self._optuna, self.watch, idle)
        place = replace(self._place, observer=observer)
        if "run_dir" not in trial.user_attrs:
            folder = pipeline.prepare(settings, place, teacher_dirs=self._task.teacher_dirs)
            trial.set_user_attr("run_dir", str(folder.path))
        run_dir = Path(trial.user_attrs["run_dir"])  # the teacher, say, the first of several processes trains
        return once_free(lambda: pipeline.resume(run_dir, place), f"trial {trial.number}", place)

    def _describe(self, trial: Any) -> dict[str, Any]:
        values = trial.intermediate_values
        return {
            "number": trial.number,
            "state": trial.state.name.lower(),
            "value": trial.value if trial.value is not None else max(values.values(), default=None),
            "point": trial.params,
            "epochs": 1 + max(values, default=-1),
            "run_dir": trial.user_attrs.get("run_dir"),
            "error": trial.user_attrs.get("error"),
        }


class _Pruning:
    """Passes everything on, and stops a trial that falls behind the others at its age."""

    def __init__(self, inner: Observer, trial: Any, optuna: Any, watch: str, idle: int) -> None:
        self._inner, self._trial, self._optuna, self._watch = inner, trial, optuna, watch
        self._idle = idle
        self._reported = set(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)
        self._is_student = True

    def begin(self, title: str, settings: TrainSettings, progress: Progress, steps: int) -> None:
        # A teacher or an assistant that has to be trained first is not what is being judged.
        self._is_student = not title.startswith(("teacher ", "assistant ", "student alone "))
        self._inner.begin(title, settings, progress, steps)

    def step(self) -> None:
        self._inner.step()

    def epoch(self, line: dict[str, Any], progress: Progress) -> None:
        self._inner.epoch(line, progress)
        if not self._is_student or "valid" not in line:
            return
        if line["epoch"] not in self._reported:  # after a kill some epochs happen again, to the same values
            self._trial.report(line["valid"][self._watch], line["epoch"])
        # What the method has not touched yet is no ground to stop a trial.
        if line["epoch"] >= self._idle + WARMUP_EPOCHS and self._trial.should_prune():
            self._inner.end(progress)
            raise self._optuna.TrialPruned

    def end(self, progress: Progress) -> None:
        self._inner.end(progress)


def _inside(values: Values, space: Space) -> dict[str, Any]:
    """The point that `values` already is, by the keys of the space; a value outside it is left to the sampler."""
    point = {}
    for key, part in space.items():
        node: Any = values
        for name in key.split("."):
            node = node.get(name) if isinstance(node, dict) else None
        if part.contains(node):
            point[key] = node
    return point
