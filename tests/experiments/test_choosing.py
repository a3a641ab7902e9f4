"""Which cells the labels of `--only` mean."""

import itertools
from typing import Any

import pytest

from rcekd.errors import InputError
from rcekd.experiments.choosing import Only, chosen_cells
from rcekd.experiments.plan import Labels, parse_experiment

PLACES = [
    Labels(dataset, pair, method, variant, seed)
    for dataset, pair, method, variant, seed in itertools.product(
        ("board", "shelf"), ("mf-mf", "hstu-mf"), ("teacher", "none", "w/o S", "w/o S T", "rcekd"), ("", "wide"), (0, 1)
    )
    if method != "teacher" or not variant
]


def chosen(*asked: str) -> list[Labels]:
    only = Only(asked, PLACES)
    return [place for place in PLACES if only.takes(place)]


def test_nothing_asked_means_all() -> None:
    assert chosen() == PLACES


def test_labels_of_one_kind_are_alternatives() -> None:
    assert chosen("none", "rcekd") == [place for place in PLACES if place.method in ("none", "rcekd")]
    assert chosen("0", "seed 1") == PLACES


def test_labels_of_several_kinds_hold_together() -> None:
    assert chosen("board", "none", "1", "hstu-mf", "rcekd", "wide") == [
        Labels("board", "hstu-mf", "none", "wide", 1),
        Labels("board", "hstu-mf", "rcekd", "wide", 1),
    ]


def test_a_label_is_a_whole_one_or_else_some_whole_words() -> None:
    assert {place.method for place in chosen("w/o S")} == {"w/o S"}
    assert {place.method for place in chosen("w/o")} == {place.method for place in chosen("S")} == {"w/o S", "w/o S T"}
    with pytest.raises(InputError, match=r"^--only 'w/o' --only 'rce': no cell has the label 'rce'; there are board, "):
        chosen("w/o", "rce")


def test_a_seed_is_no_number_in_another_label() -> None:
    places = [place._replace(variant=f"K = {k}", seed=seed) for place in PLACES[:1] for k in (1, 2) for seed in (0, 1)]
    only = Only(["0", "1"], places)
    assert [place for place in places if only.takes(place)] == places
    assert [place.seed for place in places if Only(["1"], places).takes(place)] == [1, 1]
    assert [place.variant for place in places if Only(["2"], places).takes(place)] == ["K = 2", "K = 2"]


def test_a_file_of_data_is_known_by_the_end_of_its_path() -> None:
    places = [place._replace(dataset=path) for place in PLACES[:1] for path in ("/a/my ratings.csv", "/a/ratings.csv")]
    for label, found in (("ratings.csv", 1), ("a/my ratings.csv", 0), ("/a/ratings.csv", 1)):
        assert [place for place in places if Only([label], places).takes(place)] == [places[found]]


def test_a_label_over_several_kinds_stands_beside_its_likes() -> None:
    assert {place[:3] for place in chosen("shelf mf-mf none", "board hstu-mf rcekd")} == {
        ("shelf", "mf-mf", "none"),
        ("board", "hstu-mf", "rcekd"),
    }
    with pytest.raises(InputError, match="no cell has these labels together"):
        chosen("shelf mf-mf none", "board")


def test_labels_that_no_cell_has_together() -> None:
    with pytest.raises(InputError, match=r"^--only 'teacher' --only 'wide': no cell has these labels together$"):
        chosen("teacher", "wide")


def test_a_teacher_that_variants_share_is_found_by_the_label_of_each() -> None:
    grid = {"datasets": ["synthetic"], "methods": ["none"], "seeds": [0], "variants": ["", thin(5), thin(4)]}
    found = chosen_cells(parse_experiment("mine", grid, None, "mine.yaml"), ["dim 4"])
    assert [(cell.is_teacher, cell.labels.variant) for cell in found] == [(True, ""), (False, "dim 4")]


def thin(dim: int) -> dict[str, Any]:
    return {"label": f"dim {dim}", "set": {"student.dim": dim}}
