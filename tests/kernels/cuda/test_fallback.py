"""Where the kernels cannot be used on the tensors' device, the doors answer with the plain-torch twins."""

from dataclasses import astuple

import pytest
import torch

import rcekd.kernels.closure as closure_door
import rcekd.kernels.topk as topk_door
from rcekd.kernels.closure import closure
from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk


def test_scans_fall_back_on_their_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    user, item = torch.randn(6, 5, generator=generator), torch.randn(40, 5, generator=generator)
    seen = CSR(torch.arange(7) * 2, torch.arange(12, dtype=torch.int32))
    teacher = torch.stack([torch.randperm(40, generator=generator)[:4] for _ in range(6)]).int()
    given = {"draws": 7, "tau": 2.0, "seed": 1, "epoch": 2, "seen": seen}
    expected = [*topk(user, item, 5, seen=seen), *astuple(closure(user, item, teacher, **given))]

    def refuse(*_: object) -> None:
        raise AssertionError("the native operation was asked")

    for door, operation in ((topk_door, "_topk"), (closure_door, "_closure")):
        monkeypatch.setattr(door, "has_kernels", lambda _: False)
        monkeypatch.setattr(door, operation, refuse)
    found = [*topk(user, item, 5, seen=seen), *astuple(closure(user, item, teacher, **given))]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
