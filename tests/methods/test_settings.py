"""The settings of the methods: what each variant means, what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from rcekd.errors import InputError
from rcekd.methods import METHODS, RCEKDSettings, find
from rcekd.methods.rcekd import VARIANTS
from tests.methods.scene import Scene


def test_paper_is_the_default() -> None:
    assert RCEKDSettings() == RCEKDSettings.model_validate({"variant": "paper"})


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_a_variant_sets_every_departure(variant: str) -> None:
    settings = RCEKDSettings.model_validate({"variant": variant})
    assert {key: getattr(settings, key) for key in VARIANTS[variant]} == VARIANTS[variant]
    assert VARIANTS["paper"].keys() == VARIANTS["code"].keys()


@pytest.mark.parametrize("key", VARIANTS["paper"])
def test_a_given_departure_overrides_the_variant_and_no_other(key: str) -> None:
    settings = RCEKDSettings.model_validate({"variant": "paper", key: VARIANTS["code"][key], "K": 20, "L": 20})
    for other, value in VARIANTS["paper"].items():
        assert getattr(settings, other) == (VARIANTS["code"][key] if other == key else value)


def test_values_survive_a_round_trip() -> None:
    """What config.yaml holds must give the same settings back, variant and exceptions included."""
    settings = RCEKDSettings.model_validate({"variant": "code", "horizon": None, "lambda": 7, "K": 9})
    values = settings.model_dump(mode="json", by_alias=True)
    assert (values["lambda"], values["K"], values["horizon"]) == (7, 9, None)
    assert RCEKDSettings.model_validate(values) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"variant": "book"},
        {"variant": ["paper"]},
        {"K": 0},
        {"L": -1},
        {"tau": 0},
        {"beta": -1},
        {"lambda": -1},
        {"logit_tau": float("inf")},
        {"horizon": 10, "K": 20, "L": 5},
        {"horizon": 10, "K": 5, "L": 20},
        {"by_rank": True},
        {"without": "teachers"},
        {"weighting": "item"},
        {"temperature": 3},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RCEKDSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("rcekd", {"K": 41}, "K"),
        ("rcekd", {"K": 5, "L": 41}, "L"),
        ("rcekd", {"K": 5, "L": 5, "horizon": 41}, "horizon"),
        ("ce", {"K": 41}, "K"),
        ("ce", {"K": 41, "items": "student"}, "K"),
    ],
)
def test_lists_longer_than_the_catalogue(scene: Scene, name: str, settings: dict[str, Any], key: str) -> None:
    with pytest.raises(InputError, match=rf"method\.{key}=41 is more than the 40 items of checkerboard.*at most 40"):
        scene.method(name, **settings)


def test_full_ce_has_no_list(scene: Scene) -> None:
    scene.method("ce", K=41, items="all")


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown method 'rcedk'; did you mean 'rcekd'"):
        find("rcedk")


@pytest.mark.parametrize("name", METHODS)
def test_settings_say_their_own_name(name: str) -> None:
    assert METHODS[name].settings.model_validate({"name": name}).name == name
