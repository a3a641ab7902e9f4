"""`rcekd methods`: the list, one method's settings, and combinations."""

import json
from collections.abc import Callable

import pytest

from rcekd.commands.options import complete_method
from rcekd.methods import ALIASES, METHODS
from tests.contracts.cases import CASES
from tests.flows.conftest import Outcome

Command = Callable[..., Outcome]


def test_every_method_is_listed_with_paper_needs_cost_and_use(rcekd: Command) -> None:
    found = rcekd("methods", "--json").result["methods"]
    assert [method["name"] for method in found] == list(METHODS)
    for method in found:
        assert method["use"]
        assert method["name"] == "none" or (method["paper"] and method["cost"] and method["needs"])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_distils(distill: Command, name: str) -> None:
    """From the command line to the summary, teacher and all that a method wants of it included."""
    case = CASES.get(name, [{}])[0]
    sets = {f"method__{key}": json.dumps(value) for key, value in case.items()}
    done = distill("--method", name, **{"method__K": None, "method__L": None, **sets})
    assert done.code == 0, done.err
    assert done.result["method"]["name"] == name


def test_one_method_shows_its_settings(rcekd: Command) -> None:
    done = rcekd("methods", "rcekd")
    assert done.code == 0
    assert "method.lambda" in done.out
    assert "β of the exponential γ" in done.out


def test_a_combination_shows_its_parts_settings_by_the_keys_that_it_takes(rcekd: Command) -> None:
    shown = rcekd("methods", "rcekd+de").out
    assert "method.rcekd.K " in shown
    assert "method.de.lambda" in shown
    assert "method.K " not in shown


def test_an_unknown_one_is_refused(rcekd: Command) -> None:
    done = rcekd("methods", "rcked")
    assert done.code == 2
    assert "did you mean 'rcekd'" in done.error


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases_stand_for_known_combinations(rcekd: Command, alias: str) -> None:
    assert rcekd("methods", alias, "--json").code == 0


def test_the_shell_completes_each_part() -> None:
    assert "rcekd" in complete_method("rc")
    assert "rcekd+ce" in complete_method("rcekd+c")
