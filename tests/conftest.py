"""What every test may ask for."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import settings
from torch import Tensor

import rcekd.kernels._native as native
from rcekd import devices
from rcekd.datasets.interactions import Interactions, content_fingerprint
from rcekd.kernels.csr import CSR
from rcekd.kernels.cuda_library import why_unavailable

ROOT = Path(__file__).resolve().parents[1]


# Continuous integration judges a change by the same examples every time; elsewhere each run tries others.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_configure() -> None:
    """RCEKD_TEST_THREADS threads, else at most 2, and no more in all than there are cores.

    Threads that wait for each other spin: with more of them than cores the same tests take ten times as long.
    """
    share = (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(int(os.environ.get("RCEKD_TEST_THREADS") or min(2, max(1, share))))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real datasets: RCEKD_DATA_DIR, else ../shared/data beside the checkout; skips without it."""
    folder = Path(os.environ.get("RCEKD_DATA_DIR") or ROOT.parent / "shared" / "data").resolve()
    if not folder.is_dir():
        pytest.skip(f"the real datasets are not here: set RCEKD_DATA_DIR, or put them into {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_interactions() -> Interactions:
    """A checkerboard whose answer is known: 30 users, 40 items, a user likes the items of the user's own parity.

    Of the 20 liked items a user has 10 in train, 2 in valid and 3 in test, in an order of the user's own; 5 are unseen.
    """
    users, items = 30, 40
    generator = torch.Generator().manual_seed(7)
    order_UI = torch.stack([2 * torch.randperm(items // 2, generator=generator) + user % 2 for user in range(users)])
    train, valid, test = (rectangle(part) for part in order_UI[:, :15].split([10, 2, 3], dim=1))
    user_ids, item_ids = (pl.Series(range(100, 100 + n), dtype=pl.Int64) for n in (users, items))
    return Interactions(
        name="checkerboard",
        split="random",
        n_users=users,
        n_items=items,
        train=train,
        valid=valid,
        test=test,
        user_ids=user_ids,
        item_ids=item_ids,
        fingerprint=content_fingerprint((train, valid, test), user_ids, item_ids),
    )


@pytest.fixture(scope="session")
def unvalidated(tiny_interactions: Interactions) -> Interactions:
    """The same with nothing held out for validation."""
    return replace(tiny_interactions, valid=rectangle(torch.empty(tiny_interactions.n_users, 0, dtype=torch.int64)))


def rectangle(item_UN: Tensor) -> CSR:
    """A CSR with N items in every row."""
    users, per_user = item_UN.shape
    return CSR(torch.arange(users + 1) * per_user, item_UN.flatten().to(torch.int32))


@pytest.fixture
def gpu() -> torch.device:
    """The GPU; skips where there is none that torch and the CUDA kernels can use."""
    found = devices.gpu()
    reason = found if isinstance(found, str) else why_unavailable()
    if isinstance(found, str) or reason is not None:
        pytest.skip(str(reason))
    return found


@pytest.fixture(autouse=True)
def _native_settings() -> Iterator[None]:
    """A test may choose the instruction set and the number of threads; the next one finds them as they were."""
    isa, threads = native.isa(), torch.get_num_threads()
    yield
    native.set_isa(isa)
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
