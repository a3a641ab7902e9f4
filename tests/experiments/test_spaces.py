"""Search spaces: what a user may write, and that the package's own fit the methods they are for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rcekd.config import merge, resolve
from rcekd.errors import InputError
from rcekd.experiments.layers import nested
from rcekd.experiments.spaces import Choices, Range, given_space, own_space, read_space
from rcekd.methods import METHODS

TEACHING = [name for name, entry in METHODS.items() if entry.build is not None]


def ends(part: Range | Choices) -> list[Any]:
    return part.values if isinstance(part, Choices) else [part.low, part.high]


@pytest.mark.parametrize("method", [*TEACHING, "rcekd+ce"])
def test_every_end_of_the_packages_spaces_is_a_setting(method: str) -> None:
    space = own_space(method)
    base = {"dataset": "citeulike", "method": {"name": method}}
    for key, part in space.items():
        for value in ends(part):
            resolve([("space", merge(base, nested({key: value})))])


def test_a_users_space(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("method.lambda: {low: 0.1, high: 10, log: true}\nstudent.dim: [8, 16]\n")
    space = given_space(file)
    assert space["student.dim"] == Choices(values=[8, 16])
    assert space["method.lambda"].contains(3)
    assert not space["method.lambda"].contains(30)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("method.lambda: {low: 3, high: 1}", "low 3 must be below high 1"),
        ("method.lambda: {low: 0, high: 1, log: true}", "starts above 0"),
        ("method.lambda: []", "at least one value"),
        ("method.lambda: 3", "method.lambda"),
        ("1: [2, 3]", "1 is no setting's key"),
        ("", "to search"),
    ],
)
def test_what_is_no_space_is_one_line(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_space(yaml.safe_load(text) or {}, "file")


def test_whole_numbers_stay_whole() -> None:
    class Trial:
        def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
            assert (name, low, high, log) == ("K", 3, 9, False)
            return 5

        def suggest_float(self, *_: object, **__: object) -> float:
            raise AssertionError

        suggest_categorical = suggest_float

    assert Range(low=3, high=9).suggest(Trial(), "K") == 5
    assert [Range(low=3, high=9).contains(n) for n in (2, 3, 4, 9, 10)] == [False, True, True, True, False]
    assert Range(low=3, high=9).contains(4.0), "a setting of fractions may be searched by whole numbers"
    assert not Range(low=3, high=9).contains(4.5), "a preset's 4.5 would be searched as 4"


def test_powers_of_ten_are_numbers_as_in_the_settings(tmp_path: Path) -> None:
    """YAML reads 1e-2 as text; the preset's 0.01 must be found among the values, or a sweep does not begin with it."""
    (tmp_path / "space.yaml").write_text("method.lambda: [1e-2, 3E+1, 0.5]\nmethod.variant: [paper, code]\n")
    space = given_space(tmp_path / "space.yaml")
    assert space["method.lambda"] == Choices(values=[0.01, 30.0, 0.5])
    assert space["method.lambda"].contains(0.01)
    assert space["method.variant"] == Choices(values=["paper", "code"])
