"""What nvcc builds, what the sources promise, and what the doors say where there is no GPU."""

import ctypes
import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch

from rcekd.kernels import cuda_library, library
from rcekd.kernels.cuda_arguments import ARGUMENTS
from rcekd.kernels.cuda_library import CudaLibrary

ROOT = Path(__file__).parents[3]
Emulation = Callable[[int], AbstractContextManager[None]]


def operations(file: str) -> list[str]:
    return re.findall(r"^RCEKD_OP\((\w+),", (ROOT / file).read_text(), flags=re.MULTILINE)


def test_every_cpu_operation_has_a_cuda_one() -> None:
    assert sorted(operations("csrc/cuda/ops.def")) == sorted(operations("csrc/cpu/ops.def"))
    sources = {path.stem for path in (ROOT / "csrc/cuda").glob("*.cu")} - {"library"}
    assert sources == set(operations("csrc/cuda/ops.def")) == set(ARGUMENTS)


def test_every_registered_operation_has_a_cuda_implementation() -> None:
    for name in library.CUDA:
        assert torch._C._dispatch_has_kernel_for_dispatch_key(f"rcekd::{name}", "CUDA")


def has_symbols(path: Path) -> bool:
    core = ctypes.CDLL(str(path))
    wanted = [f"rcekd_cuda_{name}{part}" for name in operations("csrc/cuda/ops.def") for part in ("", "_workspace")]
    return all(hasattr(core, symbol) for symbol in wanted)


@pytest.mark.skipif(
    shutil.which("nvcc") is None or os.environ.get("RCEKD_CUDA") == "0", reason="no nvcc, or not wanted"
)
def test_nvcc_builds_every_operation() -> None:
    assert cuda_library.FILE.is_file(), "nvcc is here, so building the package builds the CUDA library"
    assert has_symbols(cuda_library.FILE)
    CudaLibrary(cuda_library.FILE)  # its structs are those of cuda_arguments.py


def test_the_emulated_library_has_every_operation(emulated_file: Path) -> None:
    assert has_symbols(emulated_file)


def test_why_the_kernels_cannot_be_used_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cuda_library.current, "library", None)
    monkeypatch.setattr(cuda_library, "FILE", tmp_path / "_cuda.so")
    cuda_library._why_not.cache_clear()
    try:
        assert "built without nvcc" in (cuda_library.why_unavailable() or "")
        cuda_library._why_not.cache_clear()
        cuda_library.FILE.write_text("no library")
        reason = cuda_library.why_unavailable()
        assert reason is not None
        assert reason.startswith("the CUDA kernels cannot be used: ")
        assert "\n" not in reason
        with pytest.raises(RuntimeError, match="cannot be used"):
            cuda_library.run("adam", torch.empty(1))
    finally:
        cuda_library._why_not.cache_clear()


def test_a_tensor_elsewhere_is_refused(emulation: Emulation) -> None:
    elsewhere = torch.empty(1, device="meta")
    with emulation(0):
        cuda_library.run("negatives", torch.empty(1), user=torch.empty(0, dtype=torch.int32))
        with pytest.raises(ValueError, match="negatives: item is on meta, not on cpu"):
            cuda_library.run("negatives", torch.empty(1), item=elsewhere)


def test_an_unknown_field_is_refused(emulation: Emulation) -> None:
    with emulation(0), pytest.raises(TypeError, match="rows_"):
        cuda_library.run("adam", torch.empty(1), rows_=1)
