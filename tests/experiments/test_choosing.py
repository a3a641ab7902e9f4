"""Which cells the labels of `--only` mean."""

import itertools

import pytest

from rcekd.errors import InputError
from rcekd.experiments.choosing import Only
from rcekd.experiments.plan import Labels

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


def test_a_label_is_some_whole_words() -> None:
    assert {place.method for place in chosen("w/o S")} == {"w/o S", "w/o S T"}
    assert {place.method for place in chosen("w/o S T")} == {"w/o S T"}
    with pytest.raises(InputError, match=r"^--only 'w/o' --only 'rce': no cell has the label 'rce'; there are board, "):
        chosen("w/o", "rce")


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
