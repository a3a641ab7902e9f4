"""Runs the CUDA kernels on the host: the doors get the emulated library, and CPU tensors the GPU's implementations."""

import ctypes
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rcekd.kernels import cuda_library, library
from rcekd.kernels.cuda_library import CudaLibrary
from tests.kernels.cuda.emulated import library as build_emulated

ORDERS = (0, 1, 7)
"""Threads of a block in ascending, descending and shuffled order."""
Answer = list[Tensor]
Emulation = Callable[[int], AbstractContextManager[None]]


class Counting(CudaLibrary):
    """Knows how often it was used, so that no test passes on another library's answers."""

    runs = 0

    def run(
        self, name: str, device: torch.device, fields: dict[str, object], beside: dict[str, Tensor], extra_bytes: int
    ) -> None:
        self.runs += 1
        super().run(name, device, fields, beside, extra_bytes)


@pytest.fixture(scope="session")
def emulated_file() -> Path:
    path = build_emulated()
    if path is None:
        pytest.skip("no C++ compiler: the CUDA kernels cannot be emulated")
    return path


@pytest.fixture(scope="session")
def emulation(emulated_file: Path) -> Emulation:
    """`with emulation(order):` the doors run the emulated CUDA kernels, threads in that order."""
    emulated, core = Counting(emulated_file), ctypes.CDLL(str(emulated_file))

    @contextmanager
    def run(order: int) -> Iterator[None]:
        runs = emulated.runs
        core.rcekd_cuda_emulator_order(order)
        override = torch.library.Library("rcekd", "IMPL")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that another implementation is replaced
            for name, implementation in library.CUDA.items():
                override.impl(name, implementation, "CPU", allow_override=True)
        before, cuda_library.current.library = cuda_library.current.library, emulated
        try:
            yield
            assert emulated.runs > runs, "nothing ran on the emulated library"
        finally:
            cuda_library.current.library = before
            override._destroy()

    return run


@pytest.fixture
def same_as_native(emulation: Emulation) -> Callable[[Callable[[], Answer]], None]:
    """Asserts that a computation gives the same bytes on the CPU and, in every order of threads, under emulation."""

    def check(compute: Callable[[], Answer]) -> None:
        expected = [tensor.detach().clone() for tensor in compute()]
        for order in ORDERS:
            with emulation(order):
                found = compute()
            for a, b in zip(found, expected, strict=True):
                assert a.shape == b.shape
                assert a.dtype == b.dtype
                assert torch.equal(bits(a), bits(b))

    return check


def bits(tensor: Tensor) -> Tensor:
    """So that -0 and NaN are compared as they are."""
    plain = tensor.detach().contiguous()
    return plain.view(torch.int32) if plain.dtype == torch.float32 else plain
