"""Users and items that the teacher does not know."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rcekd.errors import InputError
from rcekd.teachers import FactorTeacher
from rcekd.teachers.importing.complete import complete
from tests.teachers.importing.aid import tables


def rows(n: int, missing: list[int]) -> Tensor:
    """The teacher's rows in reverse, some missing."""
    row_N = torch.arange(n - 1, -1, -1)
    row_N[missing] = -1
    return row_N


def test_a_teacher_that_knows_all_is_only_put_in_order() -> None:
    user_XD, item_YD = tables()
    found = complete(user_XD, item_YD, rows(30, []), rows(40, []))
    assert torch.equal(found.user_UD, user_XD.flip(0))
    assert torch.equal(found.item_ID, item_YD.flip(0))


def test_an_unknown_user_holds_the_mean_opinion() -> None:
    user_XD, item_YD = tables()
    found = complete(user_XD, item_YD, rows(30, [4, 9]), rows(40, []))
    known_U = torch.ones(30, dtype=torch.bool)
    known_U[[4, 9]] = False
    score_UI = found.user_UD @ found.item_ID.T
    torch.testing.assert_close(score_UI[4], score_UI[known_U].mean(0))
    assert torch.equal(score_UI[4], score_UI[9])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.sets(st.integers(0, 39), min_size=1, max_size=39), st.floats(1e-3, 1e3))
def test_unknown_items_are_last_for_everybody(seed: int, missing: set[int], scale: float) -> None:
    """Whatever the signs and the size of the scores: all negative ones are where a zero vector would win."""
    generator = torch.Generator().manual_seed(seed)
    user_XD, item_YD = torch.randn(30, 3, generator=generator), torch.randn(40, 3, generator=generator)
    user_XD, item_YD = user_XD.abs() * scale, -item_YD.abs() if seed % 2 else item_YD
    found = complete(user_XD, item_YD, rows(30, [2]), rows(40, sorted(missing)))
    item_UK = FactorTeacher(found).top_items(40)
    unknown_UK = torch.isin(item_UK, torch.tensor(sorted(missing), dtype=torch.int32))
    assert unknown_UK[:, 40 - len(missing) :].all()
    assert not unknown_UK[:, : 40 - len(missing)].any()
    # What it thinks of known items is untouched.
    known = torch.tensor(sorted(set(range(40)) - missing))
    expected = user_XD.flip(0)[:2] @ item_YD.flip(0)[known].T
    found_UI = (found.user_UD @ found.item_ID.T)[:2][:, known]
    torch.testing.assert_close(found_UI, expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("score", [0.0, 3.0, -1e6, 1e6])
def test_unknown_items_are_last_where_all_known_ones_tie(score: float) -> None:
    """No range of scores to go a share of below: far from 0 a small step would be lost to rounding."""
    found = complete(torch.ones(2, 1), torch.full((2, 1), score), torch.arange(2), torch.tensor([0, -1, 1]))
    assert FactorTeacher(found).top_items(3).tolist() == [[0, 2, 1]] * 2
    score_UI = found.user_UD @ found.item_ID.T
    assert bool((score_UI[:, 1] < score).all())


def test_a_teacher_of_strangers() -> None:
    with pytest.raises(InputError, match="knows none of the dataset's users or items"):
        complete(*tables(), torch.full((30,), -1), rows(40, []))
