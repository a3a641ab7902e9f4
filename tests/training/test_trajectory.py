"""Moments of a training: which are kept, whatever happens in between."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.models import FactorTables
from rcekd.training.trajectory import MOMENTS, Trajectory, interval
from tests.training.workbench import make_task, make_trainer


def tables(value: float) -> FactorTables:
    return FactorTables(torch.full((3, 2), value), torch.full((4, 2), -value))


@pytest.mark.parametrize("epochs", [1, 4, 5, 39, 44, 45, 90, 300, 1000])
def test_what_is_kept_depends_on_the_epochs_alone(tmp_path: Path, epochs: int) -> None:
    trajectory = Trajectory(tmp_path / "t")
    for done in range(1, epochs + 1):
        trajectory.keep(done, tables(done))
    kept = trajectory.epochs()
    gaps = {later - earlier for earlier, later in pairwise([0, *kept])}
    assert len(gaps) == 1, "evenly spread"
    assert kept[-1] > epochs - interval(epochs)
    assert MOMENTS // 2 <= len(kept) <= 2 * MOMENTS or kept == list(range(1, epochs + 1))
    assert [int(found.user_UD[0, 0]) for found in trajectory.read()] == kept


def test_what_came_after_the_best_epoch_is_dropped(tmp_path: Path) -> None:
    trajectory = Trajectory(tmp_path / "t")
    for done in range(1, 13):
        trajectory.keep(done, tables(done))
    trajectory.finish(7)
    assert trajectory.epochs() == [2, 4, 6]


def test_a_resumed_run_overwrites_what_lies_ahead(tmp_path: Path) -> None:
    trajectory = Trajectory(tmp_path / "t")
    for done in (1, 2, 3):
        trajectory.keep(done, tables(done))
    trajectory.keep(2, tables(2.5))
    assert trajectory.epochs() == [1, 2]
    assert trajectory.read()[1].item_ID[0, 0] == -2.5


def test_a_damaged_moment_is_refused(tmp_path: Path) -> None:
    trajectory = Trajectory(tmp_path / "t")
    trajectory.keep(5, tables(5))
    (tmp_path / "t" / "epoch-00005.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match=r"epoch-00005\.safetensors: damaged .* --keep-trajectory"):
        trajectory.read()


def test_the_loop_keeps_the_moments_before_the_best(tiny_interactions: Interactions, tmp_path: Path) -> None:
    task = make_task(tiny_interactions, epochs=12)
    task = type(task)(**{**vars(task), "keep_trajectory": True})
    trainer, _ = make_trainer(task, tmp_path)
    best = trainer.run().best_epoch + 1
    assert Trajectory(tmp_path / "trajectory").epochs() == [e for e in (2, 4, 6, 8, 10, 12) if e < best]
