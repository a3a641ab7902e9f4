"""What --device means on machines with and without a GPU."""

import pytest
import torch

from rcekd import devices
from rcekd.datasets import Interactions
from rcekd.devices import CPU, choose
from rcekd.errors import InputError
from rcekd.experiments.place import Place
from rcekd.kernels.csr import CSR

GPU = torch.device("cuda", 0)


def usable() -> None:
    return None


def unusable() -> str:
    return "the CUDA kernels cannot be used: no driver"


def never() -> None:
    raise AssertionError("nobody is to load the CUDA kernels here")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu", lambda: GPU)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu", lambda: "torch sees no GPU")


@pytest.mark.usefixtures("gpu")
def test_with_a_gpu() -> None:
    assert choose("cpu", never) == (CPU, None)
    assert choose("auto", usable) == choose("cuda", usable) == (GPU, None)


@pytest.mark.usefixtures("gpu")
def test_with_a_gpu_that_the_kernels_cannot_use() -> None:
    device, warning = choose("auto", unusable)
    assert device == CPU
    assert warning is not None
    assert "no driver" in warning
    assert "docs/cuda.md" in warning
    assert "\n" not in warning
    with pytest.raises(InputError, match=r"--device cuda: .*no driver; .*--device cpu$"):
        choose("cuda", unusable)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu() -> None:
    assert choose("auto", never) == choose("cpu", never) == (CPU, None)
    with pytest.raises(InputError, match=r"^--device cuda: torch sees no GPU, or take --device cpu$"):
        choose("cuda", never)


def test_other_names_are_refused() -> None:
    with pytest.raises(InputError, match="'gpu': expected auto, cpu or cuda"):
        choose("gpu", never)


def test_a_torch_without_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "was built without CUDA" in str(devices.gpu())


def test_a_torch_with_cuda_that_sees_no_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "nvidia-smi" in str(devices.gpu())


def test_the_cpu_has_no_memory_of_its_own() -> None:
    devices.restart_peak(CPU)
    devices.wait(CPU)
    assert devices.peak_bytes(CPU) is None
    assert devices.describe(CPU) == "cpu"


def test_moving_to_where_things_are_copies_nothing(tiny_interactions: Interactions) -> None:
    """So that what is cached by identity stays, and the CPU pays nothing."""
    rows: CSR = tiny_interactions.train
    assert rows.to(CPU) is rows
    assert tiny_interactions.to(CPU) is tiny_interactions
    assert Place().device == tiny_interactions.device == CPU
