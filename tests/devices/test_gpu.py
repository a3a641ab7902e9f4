"""Training on a real GPU beside the CPU. Skips where there is none."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contracts.backbones import Case, cases
from tests.contracts.board import checkerboard
from tests.devices.pretended.runs import EVERY_METHOD, SHORT, bytes_of, task_of_backbone
from tests.flows.conftest import Outcome
from tests.training.workbench import make_task

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]
Command = Callable[..., Outcome]
DATA = checkerboard(24, 20)


def assert_near(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Every epoch's losses agree but for rounding: of 1e-6 in all factors that a method sees they show 2e-7."""
    assert len(found) == len(expected)
    for ours, wanted in zip(found, expected, strict=True):
        for key in ("loss", "base_loss", "kd_loss"):
            assert ours.get(key, 0.0) == pytest.approx(wanted.get(key, 0.0), rel=1e-4)


@pytest.mark.parametrize(("name", "case"), EVERY_METHOD, ids=str)
def test_every_method_trains(gpu: torch.device, name: str, case: dict[str, Any], tmp_path: Path) -> None:
    """On torch's own CUDA operations too, which the pretend device does not have."""
    expected = bytes_of(make_task(DATA, method=name, case=case, **SHORT), tmp_path / "cpu")
    found = bytes_of(make_task(DATA.to(gpu), method=name, case=case, **SHORT), tmp_path / "gpu")
    assert_near(found[1], expected[1])


@pytest.mark.parametrize("taught", [False, True], ids=["alone", "taught"])
@pytest.mark.parametrize(("name", "case"), cases())
def test_every_backbone_trains(gpu: torch.device, name: str, case: Case, taught: bool, tmp_path: Path) -> None:
    data = case.furnish(DATA)
    expected = bytes_of(task_of_backbone(name, case, data, taught=taught), tmp_path / "cpu")
    found = bytes_of(task_of_backbone(name, case, data.to(gpu), taught=taught), tmp_path / "gpu")
    assert_near(found[1], expected[1])


def test_distill(distill: Command) -> None:
    """The teacher, BPR and Adam alone, in the CPU's bytes; the student near, as γ is torch's exponential there."""
    on_cpu, on_gpu = (distill("--device", device, "--runs-dir", device) for device in ("cpu", "cuda"))
    assert on_gpu.code == 0, on_gpu.err
    assert on_gpu.result["device"] != "cpu"
    assert on_gpu.result["peak_device_bytes"] > 0
    for part in ("valid", "test"):
        for name, value in on_cpu.result[part].items():
            assert math.isclose(on_gpu.result[part][name], value, abs_tol=0.02)
    cpu, gpu = (next(Path(device).glob("teacher-*")) / "model.safetensors" for device in ("cpu", "cuda"))
    assert gpu.read_bytes() == cpu.read_bytes()


@pytest.mark.parametrize("student", ["lightgcn", "sasrec", "hstu"])
def test_other_backbones_train(distill: Command, student: str) -> None:
    found = distill("--device", "cuda", "--student", student, student__dim=4)
    assert found.code == 0, found.err


def test_a_run_goes_on_on_the_cpu(distill: Command, rcekd: Command) -> None:
    run = distill("--device", "cuda").result["run_dir"]
    (Path(run) / "summary.json").unlink()
    assert rcekd("distill", "--resume", run, "--device", "cpu", "--json").code == 0
