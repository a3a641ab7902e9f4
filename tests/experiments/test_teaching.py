"""A run's teacher, found again as it taught, and its assistant: between whom one stands, and how wide it is."""

from dataclasses import replace

import pytest
import torch

from rcekd.config import RunSettings, merge, resolve
from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.experiments.layers import run_settings
from rcekd.experiments.place import Place
from rcekd.experiments.teaching import (
    Teaching,
    _assistant,
    _best_member,
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
