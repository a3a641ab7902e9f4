"""Every method trains on a device as on the CPU."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.methods.cross_entropy import CrossEntropy
from rcekd.models import MF, Backbone, Batch
from tests.contracts.board import checkerboard
from tests.devices.pretend import Pretend
from tests.devices.pretended.runs import EVERY_METHOD, same_run
from tests.training.workbench import make_task, make_trainer

DATA = checkerboard(24, 20)


@pytest.mark.parametrize(("name", "case"), EVERY_METHOD, ids=str)
def test_the_same_run(pretend: Pretend, name: str, case: dict[str, Any], tmp_path: Path) -> None:
    same_run(DATA, pretend.device, tmp_path, method=name, case=case)


def test_what_a_loss_makes_on_the_cpu_is_found(
    pretend: Pretend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests above can fail: a tensor made without a device, in the base loss or in a method's, ends training."""
    own, base = CrossEntropy.loss, MF.loss

    def method(self: CrossEntropy, student: Backbone, batch: Batch) -> Tensor:
        return own(self, student, batch) + (student.item_factors().sum(0) * torch.zeros(student.dim)).sum()

    def model(self: MF, batch: Batch) -> Tensor:
        return base(self, batch) + torch.zeros(len(batch.user_B))[batch.user_B].sum()

    for number, (owner, planted) in enumerate(((CrossEntropy, method), (MF, model))):
        with monkeypatch.context() as patch:
            patch.setattr(owner, "loss", planted)
            trainer, _ = make_trainer(make_task(DATA.to(pretend.device), method="ce"), tmp_path / str(number))
            with pytest.raises(RuntimeError, match="device"):
                trainer.run()
