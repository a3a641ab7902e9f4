"""What DataSettings takes and refuses."""

import pytest
from pydantic import ValidationError

from rcekd.datasets import ColumnSettings, DataSettings, SyntheticSettings


@pytest.mark.parametrize(
    "settings",
    [
        {"splt": "random"},
        {"split": "chronological"},
        {"user_core": -1},
        {"valid_share": 1.0},
        {"valid_share": 0.5, "test_share": 0.5},
        {"min_rating": float("nan")},
        {"separator": "::"},
        {"separator": ""},
        {"columns": {"users": "u"}},
        {"synthetic": {"density": 0.0}},
        {"synthetic": {"users": 0}},
        {"synthetic": {"dim": 100_000}},
        {"format": "xml"},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DataSettings.model_validate(settings)


@pytest.mark.parametrize("typed", ["\t", "\\t", "tab"])
def test_a_tab_can_be_typed(typed: str) -> None:
    assert DataSettings(separator=typed).separator == "\t"


def test_an_unknown_home_stays_as_it_is() -> None:
    assert DataSettings(features={"x": "~nosuch/f"}).features["x"].endswith("/~nosuch/f")


@pytest.mark.parametrize("model", [DataSettings, ColumnSettings, SyntheticSettings])
def test_every_setting_is_described(model: type[DataSettings]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        assert "\n" not in field.description


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        DataSettings().split_seed = 3  # type: ignore[misc]
