"""Moments of a training: which are kept, whatever happens in between."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.models import FactorTables
from rcekd.training.run_folder import RunFolder
from rcekd.training.trajectory import MOMENTS, SPAN, Trajectory, evenly_with_reserve, geometrically, interval
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
    trajectory.finish(7, 12)
    assert trajectory.epochs() == [2, 4, 6]


@pytest.mark.parametrize("epochs", [1, 2, 5, 8, 9, 12, 17, 64, 100, 271, 300])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5, 1.0])
def test_the_reserve_is_left_where_there_is_nothing_else(tmp_path: Path, epochs: int, share: float) -> None:
    plain, kept = Trajectory(tmp_path / "plain"), Trajectory(tmp_path / "kept", evenly_with_reserve)
    for done in range(1, epochs + 1):
        plain.keep(done, tables(done))
        kept.keep(done, tables(done))
    best = max(1, round(share * epochs))
    before = [done for done in plain.epochs() if done < best]
    reserve = [done for done in (1, 2, 4, 8, 16, 32) if done < best]
    for _ in range(2):  # a run that is killed here finishes once more
        kept.finish(best, epochs)
        assert kept.epochs() == (before or reserve)
    assert bool(kept.epochs()) == (best > 1)


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


@pytest.mark.parametrize("epochs", [1, 2, 7, 40, 63, 64, 65, SPAN, SPAN + 1, 130, 365, 1000])
def test_a_student_keeps_something_near_every_share_of_its_epochs(tmp_path: Path, epochs: int) -> None:
    moments = Trajectory(tmp_path / "t", geometrically)
    for done in range(epochs + 1):
        moments.keep(done, tables(done))
    moments.write(epochs, tables(epochs))
    kept = moments.epochs()
    assert kept[0] == 0
    assert kept[-1] == epochs
    assert len(kept) <= 29
    for share in (0.02, 0.2, 0.5, 1.0):
        wanted = max(1.0, share * epochs)
        assert min(abs(moment - wanted) for moment in kept) <= max(0.5, wanted / 8)
    assert [moment for moment in kept if 0 < moment < epochs / SPAN] == []
    assert (1 in kept) == (epochs <= SPAN)
    assert [int(found.user_UD[0, 0]) for found in moments.read()] == kept


def test_the_loop_keeps_a_student_to_its_last_epoch(tiny_interactions: Interactions, tmp_path: Path) -> None:
    plain = make_task(tiny_interactions, method="rcekd", epochs=12)
    task = make_task(tiny_interactions, method="rcekd", epochs=12)
    task = type(task)(**{**vars(task), "keep_moments": True})
    begin = task.model.tables().user_UD.clone()
    make_trainer(plain, tmp_path / "plain")[0].run()
    best = make_trainer(task, tmp_path / "kept")[0].run().best_epoch + 1
    moments = RunFolder(tmp_path / "kept").moments
    found = dict(zip(moments.epochs(), moments.read(), strict=True))
    assert list(found) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12]
    assert torch.equal(found[0].user_UD, begin)
    models = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "kept")]
    assert models[0] == models[1]
    if best in found:
        assert torch.equal(found[best].item_ID, task.model.tables().item_ID)
    assert not (tmp_path / "plain" / "moments").exists()
