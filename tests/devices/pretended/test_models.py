"""Every backbone trains on a device as on the CPU, alone and taught."""

from pathlib import Path

import pytest

from tests.contracts.backbones import Case, cases
from tests.contracts.board import checkerboard
from tests.devices.pretend import Pretend
from tests.devices.pretended.runs import bytes_of, task_of_backbone

# Torch takes batched products apart another way on a device that is not the CPU: sums come in another order.
ADDED_ELSEWHERE = {"sasrec", "hstu"}


@pytest.mark.parametrize("taught", [False, True], ids=["alone", "taught"])
@pytest.mark.parametrize(("name", "case"), cases())
def test_the_same_run(pretend: Pretend, name: str, case: Case, taught: bool, tmp_path: Path) -> None:
    data = case.furnish(checkerboard(24, 20))
    expected = bytes_of(task_of_backbone(name, case, data, taught=taught), tmp_path / "cpu")
    task = task_of_backbone(name, case, data.to(pretend.device), taught=taught)
    assert {parameter.device for parameter in task.model.parameters()} == {pretend.device}
    found = bytes_of(task, tmp_path / "device")
    if name not in ADDED_ELSEWHERE:
        assert found == expected
        return
    for ours, wanted in zip(found[1], expected[1], strict=True):
        for key in ("loss", "base_loss", "kd_loss"):
            assert ours.get(key, 0.0) == pytest.approx(wanted.get(key, 0.0), rel=1e-5)
