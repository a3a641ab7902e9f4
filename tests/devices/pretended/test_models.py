"""Every backbone trains on a device as on the CPU, alone and taught."""

from pathlib import Path

import pytest

from rcekd.datasets import Interactions
from rcekd.evaluation.ranking import EvalSettings
from rcekd.methods import METHODS, build_method
from rcekd.models import MODELS, MFSettings, build_model
from rcekd.training.loop import Task
from rcekd.training.settings import TrainSettings
from tests.contracts.backbones import Case, cases
from tests.contracts.board import checkerboard
from tests.contracts.teacher import full_teacher
from tests.devices.pretend import Pretend
from tests.devices.pretended.runs import bytes_of

# Torch takes batched products apart another way on a device that is not the CPU: sums come in another order.
ADDED_ELSEWHERE = {"sasrec", "hstu"}
TRAIN = {"epochs": 2, "batch_size": 64, "learning_rate": 0.01, "patience": 0}


def make_task(name: str, case: Case, data: Interactions, *, taught: bool) -> Task:
    """A model as its contracts have it; taught by an untrained MF with RCE-KD."""
    model = build_model(MODELS[name].settings.model_validate(case.settings), data, seed=0)
    train = TrainSettings.model_validate({**TRAIN, **case.train, "learning_rate": 0.01})
    evaluation = EvalSettings(mask="train+valid", history="train+valid")
    if not taught:
        return Task(name, model, data, train, evaluation, 0, "identity")
    teacher = full_teacher(build_model(MFSettings(dim=6, init_std=1.0), data, seed=9).tables())
    method = build_method(METHODS["rcekd"].settings.model_validate({"K": 6, "L": 5}), teacher, data, seed=0)
    return Task(name, model, data, train, evaluation, 0, "identity", method, 1.0)


@pytest.mark.parametrize("taught", [False, True], ids=["alone", "taught"])
@pytest.mark.parametrize(("name", "case"), cases())
def test_the_same_run(pretend: Pretend, name: str, case: Case, taught: bool, tmp_path: Path) -> None:
    data = case.furnish(checkerboard(24, 20))
    expected = bytes_of(make_task(name, case, data, taught=taught), tmp_path / "cpu")
    task = make_task(name, case, data.to(pretend.device), taught=taught)
    assert {parameter.device for parameter in task.model.parameters()} == {pretend.device}
    found = bytes_of(task, tmp_path / "device")
    if name not in ADDED_ELSEWHERE:
        assert found == expected
        return
    for ours, wanted in zip(found[1], expected[1], strict=True):
        for key in ("loss", "base_loss", "kd_loss"):
            assert ours.get(key, 0.0) == pytest.approx(wanted.get(key, 0.0), rel=1e-5)
