"""Training on a real GPU beside the CPU. Skips where there is none."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from rcekd import devices
from rcekd.kernels.cuda_library import why_unavailable
from tests.flows.conftest import Outcome

pytestmark = pytest.mark.gpu
Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _gpu() -> None:
    found = devices.gpu()
    reason = found if isinstance(found, str) else why_unavailable()
    if reason is not None:
        pytest.skip(reason)


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
