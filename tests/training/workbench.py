"""A small training run with everything in reach."""

from pathlib import Path
from typing import Any

from rcekd.datasets import Interactions
from rcekd.evaluation.ranking import EvalSettings
from rcekd.methods import build_method, find
from rcekd.models import MFSettings, build_model
from rcekd.training.checkpoint import Progress
from rcekd.training.loop import Task, Trainer
from rcekd.training.run_folder import RunFolder
from rcekd.training.settings import TrainSettings
from tests.contracts.cases import CASES
from tests.contracts.teacher import full_teacher

QUICK = {"epochs": 6, "batch_size": 64, "learning_rate": 0.02, "patience": 0}


class Silence:
    """An observer that only keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.steps = 0
        self.begun = self.ended = 0

    def begin(self, *_: object) -> None:
        self.begun += 1

    def step(self) -> None:
        self.steps += 1

    def epoch(self, line: dict[str, Any], _: Progress) -> None:
        self.lines.append(line)

    def end(self, _: Progress) -> None:
        self.ended += 1


def make_task(
    data: Interactions,
    *,
    method: str | None = None,
    case: dict[str, Any] | None = None,
    seed: int = 0,
    **train: Any,
) -> Task:
    """MF 4 on `data`, taught by an untrained MF 6 where there is a method."""
    model = build_model(MFSettings(dim=4), data, seed=seed)
    settings = TrainSettings.model_validate({**QUICK, **train})
    if method is None:
        return Task("task", model, data, settings, EvalSettings(), seed, "identity")
    teacher = build_model(MFSettings(dim=6, init_std=1.0), data, seed=9)
    chosen = find(method).settings.model_validate(CASES[method][0] if case is None else case)
    made = build_method(chosen, full_teacher(teacher.tables()), data, seed=seed)
    return Task("task", model, data, settings, EvalSettings(), seed, "identity", made, chosen.weight)


def make_folder(path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.create({"kind": "test"})
    return folder


def make_trainer(task: Task, path: Path) -> tuple[Trainer, Silence]:
    observer = Silence()
    return Trainer(task, make_folder(path), observer), observer
