"""The moments of a distilled run: the sets are those of the users asked for, and a seed is the run's own."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from rcekd.experiments import pipeline, teaching
from rcekd.experiments.layers import run_settings
from rcekd.experiments.moments import LIST_LENGTH, Moment, list_length, moments, rcekd_part
from rcekd.experiments.opening import open_run
from rcekd.experiments.place import Place
from rcekd.methods import MethodSettings, method_settings
from rcekd.teachers.lists import ListTeacher
from tests.flows.conftest import LISTS, SMALL

SEED = 3
SHORT = {"teacher.train.epochs": 2, "train.epochs": 3}


def kept(place: Place, method: str, user_N: Tensor, *, keep_trajectory: bool = True) -> list[Moment]:
    """The moments of a small run of seed 3, made in the place."""
    lists = LISTS if method == "rcekd" else {"method.K": 10}
    settings = run_settings("synthetic", method=method, seed=SEED, sets={**SMALL, **SHORT, **lists})
    summary = pipeline.distill(settings, place, keep_trajectory=keep_trajectory)
    run = open_run(Path(summary["run_dir"]), place)
    return list(moments(run, teaching.find(run.settings, run.data, place, []).knowledge, user_N))


@pytest.mark.parametrize("method", ["rcekd", "ce"])
def test_sets_are_those_of_the_users_asked_for(place: Place, method: str) -> None:
    some = torch.tensor([1, 4, 9, 40])
    for whole, part in zip(kept(place, method, torch.arange(50)), kept(place, method, some), strict=True):
        assert whole.epochs == part.epochs
        assert (whole.sets.mixed_NW is None) == (part.sets.mixed_NW is None) == (method == "ce")
        for everybody, asked in zip(whole.sets, part.sets, strict=True):
            if everybody is not None and asked is not None:
                assert torch.equal(asked, everybody[some])


def test_mastered_is_what_of_the_teachers_the_student_lists(place: Place) -> None:
    for moment in kept(place, "ce", torch.arange(50)):
        teacher_NK, student_NK, mastered_NK, _ = moment.sets
        assert torch.equal(mastered_NK, (teacher_NK[:, :, None] == student_NK[:, None, :]).any(-1))


def test_a_run_that_kept_none_has_the_untrained_model_of_its_seed(place: Place) -> None:
    users = torch.arange(50)
    whole = {moment.epochs: moment for moment in kept(place, "rcekd", users)}
    begin, end = kept(place, "rcekd", users, keep_trajectory=False)
    assert begin.epochs == 0 < end.epochs
    for moment in (begin, end):
        same = whole[moment.epochs]
        assert torch.equal(moment.tables.user_UD, same.tables.user_UD)
        assert torch.equal(moment.tables.item_ID, same.tables.item_ID)
        assert (moment.train, moment.valid) == (same.train, same.valid)


@pytest.mark.parametrize(
    ("without", "draws"), [("nothing", True), ("split", True), ("student", False), ("teacher", False)]
)
def test_who_draws_is_replayed(without: str, draws: bool) -> None:
    own = {"name": "rcekd", "without": without}
    combined = method_settings({"name": "ce+rcekd", "rcekd": {"without": without}})
    assert (rcekd_part(method_settings(own)) is not None) == draws
    assert (rcekd_part(combined) is not None) == draws


def teacher_of(length: int) -> ListTeacher:
    item_UK = torch.arange(length, dtype=torch.int32).expand(2, -1).contiguous()
    return ListTeacher(item_UK, torch.zeros(2, length), torch.zeros(2), 1000)


@pytest.mark.parametrize(
    ("settings", "length"),
    [
        (method_settings({"name": "ce", "K": 7}), 7),
        (method_settings({"name": "ce", "items": "all"}), LIST_LENGTH),
        (method_settings({"name": "ce", "K": 300}), 90),  # no more than the teacher lists
        (method_settings({"name": "ce+rcekd", "ce": {"K": 7}, "rcekd": {"K": 9}}), 9),
    ],
)
def test_lists_are_as_long_as_the_methods_own(settings: MethodSettings, length: int) -> None:
    assert list_length(settings, teacher_of(90)) == length
