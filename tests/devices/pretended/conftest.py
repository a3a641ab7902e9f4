"""Tests on the pretend device, which are run by tests/devices/test_pretend.py in a process of their own."""

import os
from collections.abc import Iterator

import pytest
import torch

IN_A_PROCESS_OF_ITS_OWN = bool(os.environ.get("RCEKD_PRETEND"))

collect_ignore_glob = [] if IN_A_PROCESS_OF_ITS_OWN else ["test_*.py"]

if IN_A_PROCESS_OF_ITS_OWN:
    from rcekd import devices
    from tests.devices.pretend import Pretend
    from tests.flows.conftest import _caches, distill, rcekd  # noqa: F401

    PRETEND = Pretend()

    @pytest.fixture
    def pretend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretend]:
        """The device, which --device cuda now means; nobody has waited for it yet."""
        torch.set_num_threads(1)
        monkeypatch.setattr(devices, "gpu", lambda: PRETEND.device)
        PRETEND.waits()
        yield PRETEND
        PRETEND.waits()
