"""Every native operation under another default dtype of torch: the core writes float32 whatever that is."""

from collections.abc import Iterator

import pytest
import torch

from rcekd.kernels.self_check import CHECKS


@pytest.fixture(params=[torch.float64, torch.float16], ids=str)
def default_dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    yield request.param
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", CHECKS)
def test_answers_are_the_same_bytes(name: str, default_dtype: torch.dtype) -> None:
    native, _ = CHECKS[name]
    expected = native()
    torch.set_default_dtype(default_dtype)
    for found, wanted in zip(native(), expected, strict=True):
        assert found.dtype == wanted.dtype
        assert torch.equal(found, wanted)
