"""Lists in the dataset's order, and the list of a user that has none."""

import polars as pl
import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.teachers.importing.placing import fill_missing, place
from rcekd.teachers.importing.raw import RawLists


def raw(rows: list[tuple[object, object, float]]) -> RawLists:
    return RawLists("lists", pl.DataFrame(rows, schema=["user", "item", "score"], orient="row"))


def test_lists_are_placed(tiny_interactions: Interactions) -> None:
    rows = [("103", "139", 2.0), ("103", "nobody", 1.5), ("103", "100", 1.0), ("101", "105", -4.0), ("7", "100", 1.0)]
    found = place(raw(rows), tiny_interactions, "f")
    assert found.item_UN.shape == (30, 2)
    assert found.item_UN[3].tolist() == [39, 0]
    assert found.score_UN[3].tolist() == [2.0, 1.0]
    assert found.item_UN[1].tolist() == [5, -1]
    assert (found.item_UN[0] == -1).all()
    assert (found.entries, found.dropped) == (4, 1)
    assert (found.users.matched, found.users.unknown, found.items.unknown) == (2, 1, 1)


def test_lists_of_strangers(tiny_interactions: Interactions) -> None:
    with pytest.raises(InputError, match="no user or no item of the lists is in checkerboard"):
        place(raw([(1, 1, 1.0)]), tiny_interactions, "f")


def test_scores_beyond_32_bits(tiny_interactions: Interactions) -> None:
    with pytest.raises(InputError, match="a score is beyond what 32 bits hold"):
        place(raw([("103", "139", 1e39)]), tiny_interactions, "f")


def test_a_user_without_a_list_gets_the_others_mean() -> None:
    """The mean over users of score − floor, 0 where unlisted: item 4 has (2 + 0) / 2, item 1 (1 + 3) / 2."""
    item_UN = torch.tensor([[4, 1, -1], [-1, -1, -1], [1, 3, -1]], dtype=torch.int32)
    score_UN = torch.tensor([[7.0, 6.0, 0.0], [0.0, 0.0, 0.0], [2.0, 1.0, 0.0]])
    floor_U = torch.tensor([5.0, -0.5, -1.0])
    item_UN, score_UN, floor_U = fill_missing(item_UN, score_UN, floor_U, 6)
    assert item_UN.tolist() == [[4, 1, -1], [1, 3, 4], [1, 3, -1]]
    assert score_UN[1].tolist() == [2.0, 1.0, 1.0]
    assert floor_U.tolist() == [5.0, 0.0, -1.0]


def test_such_a_list_ends_where_nothing_is_above_the_floor() -> None:
    item_UN = torch.tensor([[2, 0, 1], [-1, -1, -1]], dtype=torch.int32)
    score_UN = torch.tensor([[4.0, 3.0, 1.0], [0.0, 0.0, 0.0]])
    item_UN, score_UN, _ = fill_missing(item_UN, score_UN, torch.tensor([1.0, 0.0]), 5)
    assert item_UN[1].tolist() == [2, 0, -1]
    assert score_UN[1].tolist() == [3.0, 2.0, 0.0]
