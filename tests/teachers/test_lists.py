"""A teacher known by lists: against the factor teacher that the lists came from."""

import pytest
import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables
from rcekd.teachers import FactorTeacher
from rcekd.teachers.lists import ListTeacher

N = 12


def make() -> tuple[FactorTeacher, ListTeacher, Tensor]:
    generator = torch.Generator().manual_seed(6)
    tables = FactorTables(*(torch.randn(n, 3, generator=generator) for n in (30, 40)))
    item_UN, score_UN = topk(tables.user_UD, tables.item_ID, N)
    floor_U = score_UN[:, -1] - 1.5
    return FactorTeacher(tables), ListTeacher(item_UN, score_UN, floor_U, 40), floor_U


def test_it_says_what_the_lists_say() -> None:
    factors, lists, _ = make()
    assert (lists.n_users, lists.n_items, lists.length) == (30, 40, N)
    assert lists.gives == {"lists", "scores"}
    assert torch.equal(lists.top_items(7), factors.top_items(7))
    assert lists.top_items(7) is lists.top_items(7)
    assert torch.equal(lists.top_items(5), factors.top_items(5))


def test_listed_items_have_their_score_and_all_others_the_floor() -> None:
    factors, lists, floor_U = make()
    user = torch.arange(30, dtype=torch.int32)
    indptr, items = torch.arange(31) * 40, torch.arange(40, dtype=torch.int32).repeat(30)
    found_UI = lists.scores(user, indptr, items).reshape(30, 40)
    true_UI = factors.scores(user, indptr, items).reshape(30, 40)
    listed_UI = torch.zeros(30, 40, dtype=torch.bool).scatter_(1, factors.top_items(N).long(), True)
    assert torch.equal(found_UI[listed_UI], true_UI[listed_UI])
    assert torch.equal(found_UI[~listed_UI], floor_U.repeat_interleave(40 - N))
    # Rows in any order, some empty.
    found = lists.scores(torch.tensor([9, 3, 0]), torch.tensor([0, 0, 2, 3]), torch.tensor([0, 39, 5]))
    assert torch.equal(found, torch.stack([found_UI[3, 0], found_UI[3, 39], found_UI[0, 5]]))


def test_seen_items_are_taken_out_and_the_rest_moves_up(tiny_interactions: Interactions) -> None:
    factors, lists, _ = make()
    seen = tiny_interactions.seen
    found_UN, true_UN = lists.top_items(N, seen), factors.top_items(N, seen)
    length_U = (found_UN >= 0).sum(1)
    assert length_U.max() < N  # every user has seen something of a list
    for user in range(30):
        n = int(length_U[user])
        assert torch.equal(found_UN[user, :n], true_UN[user, :n])
        assert (found_UN[user, n:] == -1).all()


def test_a_longer_list_than_there_is_is_refused() -> None:
    with pytest.raises(InputError, match=f"top {N} items only, and its top 13 are asked for; .* to at most {N}"):
        make()[1].top_items(13)


def test_it_has_no_factors() -> None:
    with pytest.raises(InputError, match="has no factors; give a trained teacher, or import one as factor tables"):
        _ = make()[1].tables


def test_empty_lists() -> None:
    teacher = ListTeacher(torch.full((2, 3), -1, dtype=torch.int32), torch.zeros(2, 3), torch.tensor([0.0, 1.0]), 9)
    assert (teacher.top_items(3) == -1).all()
    assert teacher.scores(torch.tensor([1, 0]), torch.tensor([0, 1, 2]), torch.tensor([4, 4])).tolist() == [1.0, 0.0]
