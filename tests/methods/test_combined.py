"""Several methods at once: the weighted sum of their losses, and names, settings and errors of combinations."""

from typing import Any

import pytest
import torch

from rcekd.config import preset, resolve
from rcekd.errors import InputError
from rcekd.methods import CombinedSettings, build_method, check_needs, method_settings
from rcekd.methods.base import Method
from rcekd.teachers import FactorTeacher
from tests.contracts.teacher import full_teacher
from tests.methods.scene import Scene

NAMES = "ce+rcekd"
VALUES: dict[str, Any] = {
    "name": NAMES,
    "ce": {"K": 7, "lambda": 0.5},
    "rcekd": {"K": 8, "L": 5, "lambda": 3, "weighting": "interaction"},
}


def built(scene: Scene, values: dict[str, Any]) -> Method:
    made = build_method(method_settings(values), FactorTeacher(scene.tables), scene.data, seed=3)
    assert made is not None
    made.start_epoch(scene.student, 0)
    return made


def test_the_loss_is_the_weighted_sum(scene: Scene) -> None:
    parts = [built(scene, {"name": name, **VALUES[name]}) for name in ("ce", "rcekd")]
    expected = sum(weight * part.loss(scene.student, scene.batch) for weight, part in zip((0.5, 3), parts, strict=True))
    torch.testing.assert_close(built(scene, VALUES).loss(scene.student, scene.batch), expected)


def test_a_live_teacher_learns_in_a_combination_as_alone(scene: Scene) -> None:
    """By its own loss, without the weights of the parts or of the whole."""
    values = {"name": "ce+bd", "lambda": 0.1, "ce": {"K": 7}, "bd": {"n": 4, "lambda": 0.5, "lambda_T": 0.7}}
    alone = {"name": "bd", **values["bd"]}  # type: ignore[dict-item]
    found = []
    for chosen in (values, alone):
        made = build_method(method_settings(chosen), full_teacher(scene.tables), scene.data, seed=3)
        assert made is not None
        made.meet(scene.student)
        made.start_epoch(scene.student, 0)
        made.loss(scene.student, scene.batch)
        found.append(made.own_loss(scene.batch))
    assert found[0] is not None
    torch.testing.assert_close(*found)
    assert len(list(made.trained.parameters())) == 2
    assert built(scene, VALUES).own_loss(scene.batch) is None


def test_its_clock_is_the_parts(scene: Scene) -> None:
    parts = [set(built(scene, {"name": name, **VALUES[name]}).clock.take()) for name in ("ce", "rcekd")]
    assert parts[0] != parts[1]
    assert set(built(scene, VALUES).clock.take()) == parts[0] | parts[1]


def test_its_report_names_the_parts(scene: Scene) -> None:
    assert built(scene, VALUES).report().keys() == {"rcekd.overlap", "rcekd.gamma"}


def test_settings_survive_a_round_trip() -> None:
    settings = method_settings(VALUES)
    assert isinstance(settings, CombinedSettings)
    values = settings.model_dump(mode="json", by_alias=True)
    assert (values["name"], values["ce"]["K"], values["rcekd"]["lambda"]) == (NAMES, 7, 3)
    assert method_settings(values) == settings


def test_settings_by_key_and_by_preset() -> None:
    chosen = preset("citeulike", "mf", "mf", NAMES)
    layers = [("the preset", chosen), ("set", {"dataset": "citeulike", "method": {"name": NAMES, "ce": {"K": 9}}})]
    settings = resolve(layers).method
    assert isinstance(settings, CombinedSettings)
    assert settings.parts["rcekd"].weight == preset("citeulike", "mf", "mf", "rcekd")["method"]["lambda"]
    assert settings.parts["ce"].model_dump(by_alias=True)["K"] == 9


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ({"name": "ce+rceked"}, "unknown method 'rceked'; did you mean 'rcekd'"),
        ({"name": "ce+none"}, "'none' is no loss"),
        ({"name": "ce+ce"}, "names a part twice"),
        ({"name": NAMES, "ce": {"Q": 3}}, "unknown setting 'method.ce.Q'"),
        ({"name": NAMES, "weighting": "user"}, "set the weighting of each part"),
    ],
)
def test_wrong_combinations_are_one_line(method: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        resolve([("set", {"dataset": "ml-100k", "method": method})])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ({"name": NAMES, "ce": {"K": 5}, "rcekd": {"K": 41}}, r"method\.rcekd\.K=41 is more than the 40 items"),
        (
            {"name": "ce+dcd", "ce": {"K": 5}, "dcd": {"K": 5, "L": 5, "pool": 35}},
            r"method\.dcd\.pool=35.*, or method\.dcd\.rho=0",
        ),
        (
            {"name": "ce+rrd", "ce": {"K": 5}, "rrd": {"K": 5, "L": 5, "M": 9, "rho": 1, "item_pool": 31}},
            r"method\.rrd\.item_pool=31 is more than the 30 users",
        ),
    ],
)
def test_a_list_that_is_too_long_is_named_with_its_part(scene: Scene, method: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        built(scene, method)


def test_it_needs_what_its_parts_need() -> None:
    settings = method_settings({"name": NAMES, "ce": {"items": "all"}})
    assert settings.needs() == {"lists", "scores", "factors"}


def test_a_teacher_without_what_is_needed_is_refused(scene: Scene) -> None:
    class Lists(FactorTeacher):
        gives = frozenset({"lists", "scores"})  # type: ignore[assignment]

    with pytest.raises(InputError, match="method ce needs a teacher's factors, which this one has not; give a trained"):
        check_needs(method_settings({"name": "ce", "items": "all"}), Lists(scene.tables))
