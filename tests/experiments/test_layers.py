"""Which of the settings of a preset, a --config file and earlier --sets stand under what was asked for."""

from pathlib import Path
from typing import Any

import pytest

from rcekd.config import Values, resolve
from rcekd.experiments.layers import lasting, nested, run_settings, with_preset
from rcekd.methods import METHODS, MethodSettings, method_settings

OTHER = {"rcekd": "code", "rd": "code", "cd": "code", "dcd": "code", "bd": "code", "hetcomp": "code"}
OTHER["freqd"] = "neighbours"


def above_a_run(method: dict[str, Any], *sets: dict[str, Any]) -> MethodSettings:
    """What `--config config.yaml` of a run with these settings of its method and --sets resolve to."""
    run = resolve([("the run", {"dataset": "synthetic", "method": method})]).to_values()
    layers: list[tuple[str, Values]] = [("config.yaml", run), *(("--set", nested(one)) for one in sets)]
    return resolve(with_preset(layers, {})).method


def test_all_methods_with_variants_are_tested() -> None:
    assert {name for name, entry in METHODS.items() if "variant" in entry.settings.model_fields} == OTHER.keys()


@pytest.mark.parametrize("name", OTHER)
def test_a_runs_config_gives_way_to_another_variant(name: str) -> None:
    """It holds the defaults of its variant as if each had been given."""
    other = method_settings({"name": name, "variant": OTHER[name]})
    assert above_a_run({"name": name}, {"method.variant": OTHER[name]}) == other
    own = method_settings({"name": name})
    assert above_a_run(other.model_dump(by_alias=True), {"method.variant": getattr(own, "variant")}) == own  # noqa: B009


def test_a_part_of_a_combination_gives_way_too() -> None:
    combined = above_a_run({"name": "rcekd+dcd"}, {"method.rcekd.variant": "code"})
    assert combined == method_settings({"name": "rcekd+dcd", "rcekd": {"variant": "code"}})


def test_what_is_no_default_of_a_variant_stays() -> None:
    found = above_a_run({"name": "dcd", "K": 9, "rho": 0.25, "eps": 0.5}, {"method.variant": "code"})
    assert found == method_settings({"name": "dcd", "variant": "code", "K": 9, "eps": 0.5})


def test_what_is_given_without_a_variant_stays_in_either_order() -> None:
    for sets in (
        [{"method.horizon": 90}, {"method.variant": "code"}],
        [{"method.variant": "code", "method.horizon": 90}],
    ):
        assert above_a_run({"name": "rcekd"}, *sets) == method_settings({"variant": "code", "horizon": 90})


def test_a_variant_that_is_said_again_changes_nothing() -> None:
    mixture = {"name": "rcekd", "variant": "paper", "horizon": 90, "clip": 7}
    assert above_a_run(mixture, {"method.variant": "paper"}) == method_settings(mixture)


def test_a_part_of_a_combination_loses_what_its_preset_tuned_for_the_other_variant() -> None:
    """Gowalla's preset is of the code variant, whose horizon the paper's text does not have."""
    alone = run_settings("gowalla", sets={"method.variant": "paper"}).method
    combined = run_settings("gowalla", method="rcekd+de", sets={"method.rcekd.variant": "paper"}).method
    part = getattr(combined, "rcekd")  # noqa: B009 - the class is made for the combination
    assert part.horizon is alone.horizon is None
    assert part.model_dump(exclude={"weight"}) == alone.model_dump(exclude={"weight"})


def test_a_part_whose_variant_is_the_presets_keeps_it_all() -> None:
    combined = run_settings("gowalla", method="rcekd+de", sets={"method.de.lambda": 0.5}).method
    assert getattr(combined, "rcekd") == run_settings("gowalla").method  # noqa: B009


def test_a_link_into_a_store_of_digests_lasts_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "4f2a9c").write_text("user,item\n1,2\n")
    (tmp_path / "ratings.csv").symlink_to(tmp_path / "4f2a9c")
    assert lasting(str(tmp_path / "ratings.csv")) == str(tmp_path / "ratings.csv")


def test_what_a_config_gives_another_model_or_method_goes_with_it() -> None:
    """A run's config.yaml under --teacher, --student or --method: what it says of the others, and of all, stays."""
    run = run_settings(
        "synthetic", teacher="hstu", method="cd", sets={"teacher.window": 7, "train.epochs": 9}
    ).to_values()
    flags: Values = {"dataset": "synthetic", "teacher": {"model": "lightgcn"}, "method": {"name": "de"}}
    found = resolve(with_preset([("config.yaml", run), ("--set", {"method": {"E": 3}})], flags))
    assert found.teacher == run_settings("synthetic", teacher="lightgcn").teacher
    assert found.method == method_settings({"name": "de", "E": 3})
    assert found.train.epochs == 9
    same = resolve(with_preset([("config.yaml", run)], {"method": {"name": "cd"}, "teacher": {"model": "hstu"}}))
    assert same.to_values() == run
    written: Values = {"dataset": "synthetic", "method": {"name": "rrd+de", "de": {"E": 3}}}
    both = with_preset([("config.yaml", written)], {"method": {"name": "de-rrd"}})
    assert resolve(both).method == method_settings({"name": "rrd+de", "de": {"E": 3}})
