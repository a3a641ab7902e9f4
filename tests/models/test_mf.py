"""Matrix factorisation: scores, BPR by hand, initial values."""

import math

import pytest
import torch
from pydantic import ValidationError

from rcekd.errors import InputError
from rcekd.models import Batch, MFSettings, build_model, find
from tests.contracts.board import bare


def test_loss_by_hand() -> None:
    """Two users, one and two negatives' mean: −log σ of the differences of inner products."""
    model = build_model(MFSettings(dim=2), bare(2, 3), seed=0)
    with torch.no_grad():
        model.user.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        model.item.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]]))
    batch = Batch(
        torch.tensor([0, 1], dtype=torch.int32),
        torch.tensor([1, 0], dtype=torch.int32),
        torch.tensor([[0, 2], [1, 2]], dtype=torch.int32),
    )
    # Scores: user 0 gives 1, 2, 6; user 1 gives 0, −1, −2.
    expected = sum(math.log1p(math.exp(-d)) / 2 for d in (2 - 1, 2 - 6, 0 + 1, 0 + 2))
    assert model.loss(batch).item() == pytest.approx(expected, rel=1e-6)


def test_initial_values_are_normal_with_the_deviation_asked_for() -> None:
    model = build_model(MFSettings(dim=50, init_std=0.3), bare(400, 300), seed=4)
    for table in model.tables():
        assert table.std().item() == pytest.approx(0.3, rel=0.02)
        assert table.mean().item() == pytest.approx(0.0, abs=0.01)


def test_size() -> None:
    model = build_model(MFSettings(dim=7), bare(5, 11), seed=0)
    assert (model.dim, model.parameter_count(), model.name) == (7, 7 * 16, "mf")


def test_tables_follow_the_training_and_are_not_copies() -> None:
    model = build_model(MFSettings(dim=2), bare(2, 3), seed=0)
    tables = model.tables()
    with torch.no_grad():
        model.user.fill_(5.0)
    assert tables.user_UD.tolist() == [[5.0, 5.0]] * 2
    assert (tables.n_users, tables.n_items) == (2, 3)


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"dim": 16385}, {"dim": True}, {"init_std": 0}, {"width": 3}])
def test_wrong_settings(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MFSettings.model_validate(wrong)


def test_an_unknown_model() -> None:
    with pytest.raises(InputError, match="unknown model 'fm'; did you mean 'mf'"):
        find("fm")
