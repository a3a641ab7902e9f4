"""Runs the CUDA kernels on tensors of the CPU: emulated on the host, and on a GPU where there is one."""

import ctypes
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

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

    def run(self, name: str, device: torch.device, fields: dict[str, object], beside: dict[str, Tensor]) -> None:
        self.runs += 1
        super().run(name, device, fields, beside)


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


@pytest.fixture(scope="session")
def on_gpu() -> Emulation:
    """`with on_gpu(order):` the doors take their tensors to the GPU, run the CUDA kernels there and bring them back."""
    if not torch.cuda.is_available():
        pytest.skip("this torch sees no GPU")
    reason = cuda_library.why_unavailable()
    if reason is not None:
        pytest.skip(reason)

    @contextmanager
    def run(order: int) -> Iterator[None]:
        del order  # the GPU's own
        runs: list[str] = []
        override = torch.library.Library("rcekd", "IMPL")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that another implementation is replaced
            for name, implementation in library.CUDA.items():
                override.impl(name, there_and_back(name, implementation, runs), "CPU", allow_override=True)
        try:
            yield
            assert runs, "nothing ran on the GPU"
        finally:
            override._destroy()

    return run


def there_and_back(name: str, implementation: Callable[..., Any], runs: list[str]) -> Callable[..., Any]:
    """The implementation for the GPU, for tensors of the CPU; what it writes into its arguments comes back too."""
    schema = getattr(torch.ops.rcekd, name).default._schema

    def run(*given: Any) -> Any:
        runs.append(name)
        taken = tree_map_only(Tensor, lambda tensor: tensor.cuda(), given)
        found = implementation(*taken)
        for argument, here, there in zip(schema.arguments, given, taken, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                here.copy_(there)
        return tree_map_only(Tensor, lambda tensor: tensor.cpu(), found)

    return run


@pytest.fixture(params=["emulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request: pytest.FixtureRequest) -> Emulation:
    """`with cuda(order):` the doors run the CUDA kernels, threads in that order where they are emulated."""
    backend: Emulation = request.getfixturevalue({"emulated": "emulation", "gpu": "on_gpu"}[request.param])
    return backend


@pytest.fixture
def same_as_native(cuda: Emulation) -> Callable[[Callable[[], Answer]], None]:
    """Asserts that a computation gives the same bytes on the CPU and by the CUDA kernels, in every order of threads."""

    def check(compute: Callable[[], Answer]) -> None:
        expected = [tensor.detach().clone() for tensor in compute()]
        for order in ORDERS:
            with cuda(order):
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
