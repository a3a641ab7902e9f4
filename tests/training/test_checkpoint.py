"""The saved state: whole, its own run's, and undamaged to the last bit, or refused in one line."""

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from rcekd.errors import InputError
from rcekd.models import MFSettings, build_model
from rcekd.training.checkpoint import Progress, Stateful, load_checkpoint, save_checkpoint
from rcekd.training.early_stopping import BestEpoch
from rcekd.training.optimizer import Adam
from tests.contracts.board import bare


def trained(steps: int, dim: int = 3) -> Stateful:
    model = build_model(MFSettings(dim=dim), bare(6, 7), seed=1)
    generator = torch.Generator().manual_seed(2)
    method = nn.Linear(2, 3)
    method.register_buffer("pointer", torch.full((4,), steps))
    parameters = [*model.parameters(), *method.parameters()]
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.zero_()
    optimizer = Adam(parameters, learning_rate=0.1, weight_decay=0.01)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
    return Stateful(model, method, optimizer)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    best = BestEpoch(epoch=1, value=0.25, stale=1, weights={"user": torch.ones(6, 3)})
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, "mine", trained(3), Progress(3, [0.5, 0.25, 1.0], {"a": 0.125}, 0.7, best))
    return path


def test_round_trip(saved: Path) -> None:
    state = trained(0)
    progress = load_checkpoint(saved, "mine", state)
    assert (progress.epochs, progress.seconds, progress.phases) == (3, [0.5, 0.25, 1.0], {"a": 0.125})
    assert (progress.first_loss, progress.best.epoch, progress.best.value, progress.best.stale) == (0.7, 1, 0.25, 1)
    assert torch.equal(progress.best.weights["user"], torch.ones(6, 3))
    reference = trained(3)
    for part, expected in ((state.model, reference.model), (state.method, reference.method)):
        for found, wanted in zip(part.state_dict().values(), expected.state_dict().values(), strict=True):
            assert torch.equal(found, wanted)
    moments = (each.optimizer.state_dict()["moments"] for each in (state, reference))
    for found, wanted in zip(*moments, strict=True):
        assert found["step"] == wanted["step"] == 3
        assert torch.equal(found["exp_avg"], wanted["exp_avg"])
        assert torch.equal(found["exp_avg_sq"], wanted["exp_avg_sq"])


def test_only_the_checkpoint_is_left_in_the_folder(saved: Path) -> None:
    assert list(saved.parent.iterdir()) == [saved]


def test_another_identity(saved: Path) -> None:
    with pytest.raises(InputError, match=r"checkpoint\.pt: belongs to another run"):
        load_checkpoint(saved, "theirs", trained(0))


def test_another_shape(saved: Path) -> None:
    with pytest.raises(InputError, match=r"checkpoint\.pt: its contents do not fit this run"):
        load_checkpoint(saved, "mine", trained(0, dim=5))


def test_every_damage_is_noticed(saved: Path) -> None:
    content, dice = saved.read_bytes(), random.Random(0)
    for _ in range(150):
        damaged = bytearray(content)
        damaged[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        for spoiled in (bytes(damaged), content[: dice.randrange(len(content))], content + b"\0"):
            saved.write_bytes(spoiled)
            with pytest.raises(InputError, match=r"checkpoint\.pt: damaged or not a checkpoint"):
                load_checkpoint(saved, "mine", trained(0))


def test_what_torch_saved_without_us_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"format": 1}, path)
    with pytest.raises(InputError, match="damaged or not a checkpoint"):
        load_checkpoint(path, "mine", trained(0))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read this checkpoint"):
        load_checkpoint(tmp_path / "none.pt", "mine", trained(0))


def test_a_full_disk_is_an_os_error_that_names_the_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.save would make a RuntimeError of it. /dev/full refuses every byte, as a full disk does."""
    before = saved.read_bytes()
    monkeypatch.setattr("os.fdopen", lambda descriptor, mode: open("/dev/full", mode))  # noqa: SIM115, ARG005
    with pytest.raises(OSError, match="No space left on device") as caught:
        save_checkpoint(saved, "mine", trained(1), Progress())
    assert caught.value.filename == str(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
