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


SHORT: dict[str, dict[str, Any]] = {"ce": {"K": 5}, "rcekd": {"K": 5, "L": 5}, "rrd": {"K": 5, "L": 5, "pool": 9}}
SHORT |= {"cd": {"n": 5}, "dcd": {"K": 5, "L": 5, "pool": 9}, "rankdistil": {"K": 5, "n": 9, "L": 5}, "rd": {"Q": 5}}
SHORT |= {"pckd": {"mxK": 9}, "tarec": {"K": 5, "L": 5}}
TEMPERATURES = [
    *(("ce", "logit_tau"), ("rcekd", "logit_tau"), ("rrd", "T"), ("rrd", "item_tau"), ("cd", "T"), ("cd", "t1")),
    *(("unkd", "tau"), ("bd", "tau"), ("promptmm", "tau"), ("rankdistil", "tau"), ("rankdistil", "logit_tau")),
    *(("tarec", "logit_tau"), ("tarec", "contrast_tau"), ("rd", "position_scale"), ("pckd", "T"), ("pckd", "tau")),
    ("hetcomp", "decay"),
]
RANGES = [(name, key, 1e-30, 1e30) for name, key in TEMPERATURES]
RANGES += [(name, key, 1e-100, 1e100) for name, key in (("dcd", "eps"), ("bd", "eps"), ("bd", "eps_tanh"))]
RANGES += [("rcekd", "tau", 1e-6, 1e30), ("rcekd", "clip", 1, 2**31 - 1)]


@pytest.mark.parametrize(("name", "key", "low", "high"), RANGES)
def test_a_number_beyond_what_can_be_computed_with_is_refused(name: str, key: str, low: float, high: float) -> None:
    for value in (low, high):
        METHODS[name].settings.model_validate({key: value})
    whole = isinstance(high, int)
    for value in (low - 1, high + 1) if whole else (0.99 * low, 1.01 * high):
        with pytest.raises(ValidationError, match="equal to" if whole else f"give a number from {low:g} to 1e\\+"):
            METHODS[name].settings.model_validate({key: value})


@pytest.mark.parametrize(("name", "key", "low", "high"), [case for case in RANGES if case[0] in SHORT])
def test_the_ends_of_a_range_can_be_computed_with(scene: Scene, name: str, key: str, low: float, high: float) -> None:
    more = {"horizon": 9} if key == "clip" else {"rho": 0.5, "item_pool": 25} if key == "item_tau" else {}
    for value in (low, high):
        method = scene.method(name, **SHORT[name], **more, **{key: value})
        method.meet(scene.student)
        method.start_epoch(scene.student, 0)
        assert method.loss(scene.student, scene.batch).isfinite()


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


def test_a_list_may_be_as_long_as_the_catalogue(scene: Scene) -> None:
    scene.method("ce", K=40)
    scene.method("dcd", K=5, L=5, pool=30)  # its item side ranks 30 users
    scene.method("rrd", K=5, L=5, pool=9, rho=1.0, item_pool=30)


def test_full_ce_has_no_list(scene: Scene) -> None:
    scene.method("ce", K=41, items="all")


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown method 'rcedk'; did you mean 'rcekd'"):
        find("rcedk")


@pytest.mark.parametrize("name", METHODS)
def test_settings_say_their_own_name(name: str) -> None:
    assert METHODS[name].settings.model_validate({"name": name}).name == name


@pytest.mark.parametrize("name", METHODS)
def test_lengths_of_lists_are_refused_under_the_keys_that_are_set(name: str) -> None:
    """What names a setting names it as a user writes it: `method.M`, not the field `pool`."""
    keys = {field.alias or key for key, field in find(name).settings.model_fields.items()}
    assert find(name).settings.model_validate({}).list_lengths().keys() <= keys
