"""γ: eq. 10, and every schedule that the paper's Tables 8–10 compare."""

import math

import pytest
import torch
from pydantic import ValidationError

from rcekd.methods.common.gamma import GammaSettings, gamma_of

OVERLAP = [0.0, 0.25, 0.5, 1.0]


def gamma(epoch: int = 0, beta: float = 3.0, **settings: object) -> list[float]:
    return gamma_of(GammaSettings.model_validate(settings), beta, torch.tensor(OVERLAP), epoch).tolist()


def test_the_paper_rule() -> None:
    assert gamma(epoch=17) == pytest.approx([math.exp(-3.0 * s) for s in OVERLAP])


def test_linear_per_user() -> None:
    assert gamma(shape="linear") == pytest.approx([1.0 - s for s in OVERLAP])


@pytest.mark.parametrize("shape", ["linear", "exponential"])
def test_increasing_is_one_minus_decreasing(shape: str) -> None:
    falling, rising = gamma(shape=shape), gamma(shape=shape, direction="increasing")
    assert rising == pytest.approx([1.0 - value for value in falling])
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize("epoch", [0, 5, 500])
def test_constant_is_the_same_for_all_at_all_times(epoch: int) -> None:
    assert gamma(epoch, shape="constant", value=0.3) == pytest.approx([0.3] * 4)


@pytest.mark.parametrize(("epoch", "x"), [(0, 0.0), (5, 0.25), (20, 1.0), (99, 1.0)])
def test_over_epochs_it_is_one_number_for_all_users(epoch: int, x: float) -> None:
    assert gamma(epoch, over="epoch", epochs=20) == pytest.approx([math.exp(-3.0 * x)] * 4)
    assert gamma(epoch, over="epoch", epochs=20, shape="linear") == pytest.approx([1.0 - x] * 4)
    rising = gamma(epoch, over="epoch", epochs=20, shape="linear", direction="increasing")
    assert rising == pytest.approx([x] * 4)


def test_beta_zero_never_leaves_the_approximate_set() -> None:
    assert gamma(beta=0.0) == [1.0] * 4


@pytest.mark.parametrize("wrong", [{"shape": "round"}, {"value": 1.5}, {"value": -0.1}, {"epochs": 0}, {"shap": 1}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GammaSettings.model_validate(wrong)
