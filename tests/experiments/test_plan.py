"""Experiment files: which cells they stand for, and what is refused."""

from typing import Any

import pytest

from rcekd.config import Values
from rcekd.errors import InputError
from rcekd.experiments.plan import parse_experiment, read_experiment, ready

GRID: Values = {
    "datasets": ["synthetic"],
    "methods": ["none", {"label": "plain", "method": "ce", "set": {"method.K": 10}}, "rcekd"],
    "variants": ["", {"label": "thin", "set": {"student.dim": 5}}],
    "seeds": [0, 1],
    "set": {"teacher.dim": 8},
    "scales": {"small": {"seeds": [4], "set": {"train.epochs": 2}}},
}


def experiment(**changes: Any) -> Any:
    return parse_experiment("mine", {**GRID, **changes}, None, "mine.yaml")


def test_every_combination_is_a_cell_and_a_teacher_stands_once() -> None:
    cells = list(experiment().cells())
    labels = [cell.labels for cell in cells]
    assert len(cells) == 2 * (1 + 2 * 3)
    assert [label.method for label in labels[:4]] == ["teacher", "none", "plain", "rcekd"]
    assert len({cell.identity for cell in cells}) == len(cells)
    assert {cell.settings.teacher.backbone.model_dump()["dim"] for cell in cells} == {8}
    thin = [cell for cell in cells if cell.labels.variant == "thin"]
    assert {cell.settings.student.model_dump()["dim"] for cell in thin} == {5}


def test_a_label_is_not_part_of_what_a_cell_is() -> None:
    renamed = [{"label": "other", "method": "ce", "set": {"method.K": 10}}]
    (first,) = (cell for cell in experiment(seeds=[0], variants=[""]).cells() if cell.labels.method == "plain")
    (second,) = (c for c in experiment(seeds=[0], variants=[""], methods=renamed).cells() if c.labels.method == "other")
    assert first.identity == second.identity


def test_a_trajectory_that_one_method_needs_is_asked_of_the_teacher() -> None:
    cells = list(experiment(methods=["none", "hetcomp"], seeds=[0], variants=[""]).cells())
    assert cells[0].is_teacher
    assert "trajectory" in cells[0].settings.method.needs()


def test_a_scale_makes_it_smaller_under_a_name_of_its_own() -> None:
    small = parse_experiment("mine", GRID, "small", "mine.yaml")
    assert small.name == "mine-small"
    assert {cell.labels.seed for cell in small.cells()} == {4}
    assert {cell.settings.train.epochs for cell in small.cells()} == {2}
    assert {cell.settings.teacher.backbone.model_dump()["dim"] for cell in small.cells()} == {8}, "the rest stays"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"datasets": []}, "mine.yaml: datasets: give at least one"),
        ({"seeds": [1, 1]}, "mine.yaml: seeds: 1 stands there twice"),
        ({"pairs": ["mf"]}, "mine.yaml: pairs: 'mf' is no pair"),
        ({"seedz": [1]}, "mine.yaml: seedz: extra"),
        ({"methods": [{"method": "ce"}]}, "mine.yaml: methods.0.label: field required"),
    ],
)
def test_what_is_no_experiment_is_one_line(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        experiment(**changes)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"methods": ["rcdk"]}, "unknown method 'rcdk'"),
        ({"pairs": ["mf-mg"]}, "unknown model 'mg'"),
        ({"set": {"train.epoch": 3}}, r"unknown setting 'train.epoch' \(from the experiment's train.epoch\)"),
    ],
)
def test_what_a_cell_refuses_is_one_line(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        list(experiment(**changes).cells())


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="no ready experiment 'method'; did you mean 'methods'"):
        read_experiment("method")
    with pytest.raises(InputError, match="has no scale 'tiny'"):
        read_experiment("methods", "tiny")


@pytest.mark.parametrize("name", ready())
def test_every_ready_experiment_has_cells_at_every_scale(name: str) -> None:
    for scale in (None, "small"):
        assert list(read_experiment(name, scale).cells())
