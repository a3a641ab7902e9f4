"""A run's teacher, found again as it taught, and its assistant: between whom one stands, and how wide it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rcekd.config import RunSettings, merge, resolve
from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.experiments.layers import run_settings
from rcekd.experiments.pipeline import distill, train_teacher
from rcekd.experiments.place import Place
from rcekd.experiments.teaching import (
    Teaching,
    _assistant,
    _best_member,
    adopted,
    check_assistant,
    find,
    find_or_train,
    tempered,
)
from rcekd.models import FactorTables
from rcekd.teachers import FactorTeacher, TeacherKnowledge
from rcekd.teachers.lists import ListTeacher


def test_a_teacher_is_found_at_its_temperature(settings: RunSettings, place: Place) -> None:
    warm = resolve([("warm", merge(settings.to_values(), {"teacher": {"temperature": 2.5}}))])
    data = place.data(warm)
    there, again = find_or_train(warm, data, place, []), find(warm, data, place, [])
    for one, other in zip(there.knowledge.tables, again.knowledge.tables, strict=True):
        assert torch.equal(one, other)


def test_the_settings_adopt_a_given_teacher_that_the_student_would_start_like(
    settings: RunSettings, place: Place
) -> None:
    width = settings.student.dim

    def trained(dim: int, seed: int) -> Path:
        own = changed(settings, teacher={"dim": dim, "seed": seed, "temperature": 3.0})
        return Path(train_teacher(own, place)["run_dir"])

    alike, other_seed, wider = trained(width, 0), trained(width, 7), trained(width + 1, 0)
    student = Path(distill(changed(settings, teacher={"dim": width}), place)["run_dir"])
    for folders, start_is_own in (
        ([alike], True),
        ([other_seed], False),
        ([wider], False),
        ([wider, other_seed, alike], True),
        ([student], False),
    ):
        found = adopted(settings, folders)
        assert (found.student_start != found.seed) == start_is_own
        assert found.teacher.temperature == settings.teacher.temperature
        assert resolve([("written", found.to_values())]) == found
    assert adopted(settings, [wider, other_seed]).teacher.backbone.dim == width + 1
    assert adopted(settings, [student]).teacher.seed == changed(settings, teacher={"dim": width}).student_start
    assert adopted(settings, []) is settings


def changed(settings: RunSettings, **values: Any) -> RunSettings:
    return resolve([("changed", merge(settings.to_values(), values))])


def test_an_automatic_temperature_that_finds_none_is_told(settings: RunSettings, place: Place) -> None:
    auto = resolve([("auto", merge(settings.to_values(), {"teacher": {"temperature": "auto"}}))])
    data, said = place.data(auto), list[str]()
    flat = FactorTeacher(FactorTables(torch.ones(data.n_users, 4), torch.ones(data.n_items, 4)))
    taught_by = tempered(taught(4, flat), auto, data, replace(place, tell=said.append))
    assert (taught_by.temperature, len(said)) == (1.0, 1)
    assert "all scores of a user are equal" in said[0]


def taught(dim: int, knowledge: TeacherKnowledge | None = None) -> Teaching:
    return Teaching({"dim": dim}, knowledge or FactorTeacher(FactorTables(torch.rand(3, dim), torch.rand(4, dim))))


def of_lists(length: int) -> Teaching:
    item_UN = torch.arange(length, dtype=torch.int32).repeat(3, 1)
    return taught(length, ListTeacher(item_UN, -item_UN.float(), torch.full((3,), -1e3), n_items=length))


def test_whom_a_user_learns_from_is_the_better_on_the_users_validation_items(tiny_interactions: Interactions) -> None:
    """Among twenty one member finds the items of the first ten users, the other those of the last ten."""
    data = tiny_interactions
    members = []
    for finds in (range(10), range(20, 30)):
        score_UI = torch.rand(30, 40, generator=torch.Generator().manual_seed(1))
        for user in range(30):
            seen, valid = (
                part.indices[part.indptr[user] : part.indptr[user + 1]].tolist() for part in (data.seen, data.valid)
            )
            others = [item for item in range(40) if item not in (*seen, *valid)]
            score_UI[user, others[:12]] = 9.0  # above, so that no list of ten tells the members apart
            score_UI[user, valid] = 5.0 if user in finds else -5.0
        members.append(FactorTeacher(FactorTables(torch.eye(30), score_UI.T.contiguous())))
    assert _best_member(members, data).tolist() == [[1.0, 0.0]] * 10 + [[1.0, 1.0]] * 10 + [[0.0, 1.0]] * 10


def test_its_width_is_one_that_the_heads_can_share() -> None:
    settings = run_settings("citeulike", student="hstu", method="tarec")
    assistant = _assistant(taught(200), settings)
    assert assistant is not None
    assert (assistant.dim, assistant.heads) == (112, 2)  # type: ignore[attr-defined]  # √(200 · 64) = 113
    assert _assistant(taught(64), settings) is None


def test_a_teacher_of_lists_has_no_width_to_stand_between() -> None:
    assert _assistant(of_lists(100), run_settings("ml-100k", method="tarec")) is None
    asked = _assistant(of_lists(100), run_settings("ml-100k", method="tarec", sets={"method.assistant": 150}))
    assert asked is not None
    assert asked.dim == 150  # type: ignore[attr-defined]


def test_what_an_assistant_has_not_got_is_refused_before_it_is_trained() -> None:
    check_assistant(taught(400), run_settings("ml-100k", method="tarec"))
    with pytest.raises(InputError, match=r"no trajectory to teach from; .*assistant=0"):
        check_assistant(taught(400), run_settings("ml-100k", method="hetcomp+tarec"))
    without = run_settings("ml-100k", method="hetcomp+tarec", sets={"method.tarec.assistant": 0})
    check_assistant(taught(400), without)
