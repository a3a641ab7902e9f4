"""Every operation on a real GPU against the CPU: the same bytes. Skips where there is none."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.kernels import cuda_library, self_check
from rcekd.kernels.topk import topk

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def device() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("this torch sees no GPU")
    reason = cuda_library.why_unavailable()
    if reason is not None:
        pytest.skip(reason)
    return torch.device("cuda")


def moved(value: Any, device: torch.device) -> Any:
    """Tensors, also those in named tuples and lists, on the device; a leaf stays one."""
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        parts = [moved(part, device) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def made_on_the_cpu(make: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """The same input, made from the CPU's random numbers, on the device."""

    def made(*positional: Any, **named: Any) -> Any:
        with torch.device("cpu"):
            value = make(*positional, **named)
        return moved(value, device)

    return made


@pytest.mark.parametrize("name", sorted(self_check.CHECKS))
def test_same_answer_as_on_the_cpu(device: torch.device, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    native, _ = self_check.CHECKS[name]
    expected = native()
    for source in ("_factors", "_seen", "_lists", "_ragged"):
        monkeypatch.setattr(self_check, source, made_on_the_cpu(getattr(self_check, source), device))
    with torch.device(device):
        found = native()
    for a, b in zip(found, expected, strict=True):
        assert a.device.type == "cuda"
        assert torch.equal(a.cpu(), b)


@pytest.mark.usefixtures("device")
def test_the_current_device_stays_what_it_was() -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("this machine has one GPU")
    before = torch.cuda.current_device()
    other = torch.device("cuda", (before + 1) % torch.cuda.device_count())
    tables = [torch.rand(40, 8, device=other) for _ in range(2)]
    found, _ = topk(*tables, 5)
    assert torch.cuda.current_device() == before
    assert found.device == other
