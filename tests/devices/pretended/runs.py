"""The same training on the CPU and on a device."""

from pathlib import Path
from typing import Any

import torch

from rcekd.datasets import Interactions
from rcekd.evaluation.ranking import EvalSettings
from rcekd.methods import METHODS, build_method
from rcekd.models import MODELS, MFSettings, build_model
from rcekd.training.loop import Task
from rcekd.training.settings import TrainSettings
from tests.contracts.backbones import Case
from tests.contracts.cases import CASES
from tests.contracts.teacher import full_teacher
from tests.training.workbench import make_task, make_trainer

SHORT = {"epochs": 3, "batch_size": 64}
TRAIN = {"epochs": 2, "batch_size": 64, "learning_rate": 0.01, "patience": 0}

EVERY_METHOD = [
    (name, case) for name, entry in METHODS.items() if entry.build is not None for case in CASES.get(name, [{}])
]
# Rows of a GPU stand for interactions, where those of the CPU stand for users: however users count, it is the same.
EVERY_METHOD += [("rcekd", {"K": 6, "L": 5, "weighting": weighting}) for weighting in ("interaction", "distinct")]


def task_of_backbone(name: str, case: Case, data: Interactions, *, taught: bool) -> Task:
    """A model as its contracts have it; taught by an untrained MF with RCE-KD."""
    model = build_model(MODELS[name].settings.model_validate(case.settings), data, seed=0)
    train = TrainSettings.model_validate({**TRAIN, **case.train, "learning_rate": 0.01})
    evaluation = EvalSettings(mask="train+valid", history="train+valid")
    if not taught:
        return Task(name, model, data, train, evaluation, 0, "identity")
    teacher = full_teacher(build_model(MFSettings(dim=6, init_std=1.0), data, seed=9).tables())
    method = build_method(METHODS["rcekd"].settings.model_validate({"K": 6, "L": 5}), teacher, data, seed=0)
    return Task(name, model, data, train, evaluation, 0, "identity", method, 1.0)


def bytes_of(task: Task, path: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """What training leaves: the model's file, and every epoch's figures without its times."""
    trainer, observer = make_trainer(task, path)
    trainer.run()
    lines = [{key: value for key, value in line.items() if key not in ("seconds", "phases")} for line in observer.lines]
    return (path / "model.safetensors").read_bytes(), lines


def same_run(data: Interactions, device: torch.device, path: Path, **asked: Any) -> None:
    """Asserts that a device changes nothing."""
    expected = bytes_of(make_task(data, **asked, **SHORT), path / "cpu")
    found = bytes_of(make_task(data.to(device), **asked, **SHORT), path / "device")
    assert found[1] == expected[1]
    assert found[0] == expected[0]
