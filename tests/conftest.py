"""What every test may ask for. Tests run on RCEKD_TEST_THREADS threads (2 unless set)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import rcekd.kernels._native as native

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    torch.set_num_threads(int(os.environ.get("RCEKD_TEST_THREADS", "2")))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real datasets: RCEKD_DATA_DIR, else ../shared/data beside the checkout; skips without it."""
    folder = Path(os.environ.get("RCEKD_DATA_DIR") or ROOT.parent / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"the real datasets are not here: set RCEKD_DATA_DIR, or put them into {folder}")
    return folder


@pytest.fixture(autouse=True)
def _native_settings() -> Iterator[None]:
    """A test may choose the instruction set and the number of threads; the next one finds them as they were."""
    isa, threads = native.isa(), torch.get_num_threads()
    yield
    native.set_isa(isa)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
