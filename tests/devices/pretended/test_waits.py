"""How often the host waits for the device: never inside a step of what has to be fast, and how often in an epoch."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rcekd.models import build_model, find
from rcekd.training.recording import recorder
from tests.contracts.board import checkerboard
from tests.contracts.cases import CASES
from tests.devices.pretend import Pretend
from tests.training.workbench import make_task, make_trainer

DATA = checkerboard(24, 20)  # 144 interactions
ONE_STEP, FOUR_STEPS = 144, 36

# As docs/cuda.md lists them.
EVERY_EPOCH = Counter(
    {
        "aten::_local_scalar_dense": 7,  # of the evaluation: finite scores, two bounds, four means
        "aten::repeat_interleave": 1,  # the evaluation's targets
        "copy to the host": 1,  # the epoch's losses
        "copy to the device": 1,  # the order of the interactions, which a GPU is sent without a wait
    }
)
OF_RCEKD = Counter({"aten::_local_scalar_dense": 3, "aten::nonzero": 2})  # finite scores, two figures; two ragged sets


def waits(pretend: Pretend, path: Path, epochs: int, batch_size: int, asked: dict[str, Any]) -> Counter[str]:
    """Of a whole training."""
    asked = {"epochs": epochs, "batch_size": batch_size, "checkpoint_seconds": 1e9, **asked}
    data, student = DATA.to(pretend.device), asked.pop("student", None)
    task = make_task(data, **asked)
    if student is not None:
        task = replace(task, model=build_model(find(student).settings.model_validate({"dim": 4}), data, seed=0))
    pretend.waits()
    make_trainer(task, path / f"{epochs}-{batch_size}")[0].run()
    return pretend.waits()


def of_an_epoch(pretend: Pretend, path: Path, batch_size: int, asked: dict[str, Any]) -> Counter[str]:
    """What two more epochs add, halved: the first epochs make what is kept."""
    few, more = (waits(pretend, path, epochs, batch_size, asked) for epochs in (2, 4))
    more.subtract(few)
    assert all(number % 2 == 0 for number in more.values())
    return Counter({name: number // 2 for name, number in more.items() if number})


RCEKD: dict[str, Any] = {"method": "rcekd"}
CODE: dict[str, Any] = {"method": "rcekd", "case": {"K": 6, "L": 5, "variant": "code", "horizon": 12}}


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        ({}, Counter()),
        ({"method": "ce"}, Counter()),
        (RCEKD, OF_RCEKD),
        (CODE, OF_RCEKD + Counter({"aten::_local_scalar_dense": 2})),  # and the highest ids of both lists
    ],
    ids=["alone", "ce", "rcekd", "rcekd-code"],
)
def test_a_step_waits_for_nothing(pretend: Pretend, tmp_path: Path, asked: dict[str, Any], more: Counter[str]) -> None:
    assert of_an_epoch(pretend, tmp_path, ONE_STEP, asked) == EVERY_EPOCH + more
    assert of_an_epoch(pretend, tmp_path, FOUR_STEPS, asked) == EVERY_EPOCH + more


RECORDABLE = [(name, case) for name in ("ce", "rcekd") for case in CASES.get(name, [{}]) if case.get("items") != "all"]


@pytest.mark.parametrize(("name", "case"), RECORDABLE, ids=str)
def test_a_step_that_can_be_recorded_waits_for_nothing(
    pretend: Pretend, tmp_path: Path, name: str, case: dict[str, Any]
) -> None:
    """With LightGCN too; and on this device, which is no GPU, none is recorded."""
    asked = {"method": name, "case": case}
    task = make_task(DATA.to(pretend.device), **asked)
    assert task.is_recordable
    assert recorder(pretend.device) is None
    one, four = (
        of_an_epoch(pretend, tmp_path, size, {**asked, "student": "lightgcn"}) for size in (ONE_STEP, FOUR_STEPS)
    )
    assert one == four


def test_a_wait_in_a_step_is_seen(pretend: Pretend, tmp_path: Path) -> None:
    """The measure measures: RRD asks for the batch's distinct users in every step, and for nothing else."""
    asked = {"method": "rrd", "case": {"K": 4, "L": 3, "pool": 5, "T": 2.0}}
    one, four = (of_an_epoch(pretend, tmp_path, size, asked) for size in (ONE_STEP, FOUR_STEPS))
    four.subtract(one)
    assert +four == Counter({"aten::_unique2": 3})


def test_the_device_refuses_what_a_gpu_refuses(pretend: Pretend) -> None:
    here, there = torch.ones(2, 2), torch.ones(2, 2, device=pretend.device)
    with pytest.raises(RuntimeError, match="device"):
        here + there
    with pytest.raises(RuntimeError, match="two devices"):
        torch.cat([here, there])
    with pytest.raises(RuntimeError, match="two devices"):
        there[torch.tensor([0])]
    with pytest.raises(RuntimeError, match="two devices"):
        there * torch.tensor(2.0)
    with pytest.raises(RuntimeError, match="histogram has no CUDA kernel"):
        torch.histogram(there, 2)
    with pytest.raises(RuntimeError, match="random numbers on the device"):
        torch.rand(3, device=pretend.device)


def test_what_an_assignment_waits_for(pretend: Pretend) -> None:
    """To write where a mask is true, unless it is one number; and to write a number at ids (pytorch#188330)."""
    there = torch.arange(6.0, device=pretend.device)
    mask, ids, three = there > 2.0, torch.arange(3, device=pretend.device), torch.zeros(3, device=pretend.device)
    pretend.waits()
    there[mask] = 1.0
    there[ids] = three
    there.index_fill_(0, ids, 2.0)
    assert not pretend.waits()
    there[mask] = three
    assert pretend.waits() == Counter({"aten::nonzero": 1})
    there[ids] = 1.0
    assert pretend.waits() == Counter({"copy to the device": 1})
