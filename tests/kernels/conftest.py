"""What the tests of the native training operations share."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from rcekd.kernels import _native

ISAS = ("scalar", "avx2", "avx512")
THREADS = (1, 2, 3)


@pytest.fixture
def _settings_kept() -> Iterator[None]:
    """As tests/conftest.py does, which the thread sanitizer's run leaves out."""
    isa, threads = _native.isa(), torch.get_num_threads()
    yield
    _native.set_isa(isa)
    torch.set_num_threads(threads)


@pytest.fixture(params=ISAS)
def _isa(request: pytest.FixtureRequest, _settings_kept: None) -> None:
    """The test on every instruction set."""
    if not _native.set_isa(request.param):
        pytest.skip(f"this processor has no {request.param}")


@pytest.fixture
def same_bytes(_settings_kept: None) -> Callable[[Callable[[], list[Tensor]]], None]:
    """Asserts that a computation gives the same bytes on every instruction set and for 1, 2 and 3 threads."""

    def check(compute: Callable[[], list[Tensor]]) -> None:
        expected: list[Tensor] | None = None
        for isa in filter(_native.set_isa, ISAS):
            for threads in THREADS:
                torch.set_num_threads(threads)
                found = [tensor.detach().clone() for tensor in compute()]
                expected = expected or found
                for a, b in zip(found, expected, strict=True):
                    assert a.shape == b.shape, isa
                    assert torch.equal(a.contiguous().view(torch.int32), b.contiguous().view(torch.int32)), isa

    return check


@pytest.fixture
def assert_as_exact() -> Callable[[Tensor, Tensor, Tensor], None]:
    """Asserts that a float32 result errs no more from the float64 one than plain torch in float32, plus a little."""

    def check(found: Tensor, plain: Tensor, exact: Tensor) -> None:
        assert found.dtype == plain.dtype == torch.float32
        assert exact.dtype == torch.float64
        assert found.shape == exact.shape
        small = 1e-6 * float(exact.abs().max()) if exact.numel() else 0.0
        allowed = (plain.double() - exact).abs() + small
        error = (found.double() - exact).abs()
        assert bool((error <= allowed).all()), f"error {float(error.max())}, torch's own {float(allowed.max() - small)}"

    return check
