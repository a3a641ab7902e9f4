"""Padded and ragged item sets against Python's own sets."""

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rcekd.methods.common.item_sets import contains, drop_repeats, judged_sets, ragged
from rcekd.models import FactorTables
from rcekd.teachers import FactorTeacher


@st.composite
def two_padded(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Two int32 tensors of as many rows, with −1 anywhere."""
    rows = draw(st.integers(1, 4))
    made = []
    for _ in range(2):
        width = draw(st.integers(0, 6))
        row = st.lists(st.integers(-1, 8), min_size=width, max_size=width)
        made.append(torch.tensor(draw(st.lists(row, min_size=rows, max_size=rows)), dtype=torch.int32))
    return made[0].reshape(rows, -1), made[1].reshape(rows, -1)


@settings(max_examples=60, deadline=None)
@given(two_padded())
def test_contains(pair: tuple[Tensor, Tensor]) -> None:
    held, asked = pair
    expected = [[i >= 0 and i in row for i in ask] for row, ask in zip(held.tolist(), asked.tolist(), strict=True)]
    assert contains(held, asked).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(two_padded())
def test_drop_repeats_keeps_each_item_where_it_first_stood(pair: tuple[Tensor, Tensor]) -> None:
    for row, kept in zip(pair[0].tolist(), drop_repeats(pair[0]).tolist(), strict=True):
        assert kept == [-1 if i in row[:place] else i for place, i in enumerate(row)]


@settings(max_examples=60, deadline=None)
@given(two_padded())
def test_ragged_is_the_rows_without_padding(pair: tuple[Tensor, Tensor]) -> None:
    indptr, items = ragged(pair[0])
    rows = [items[begin:end].tolist() for begin, end in itertools.pairwise(indptr)]
    assert rows == [[i for i in row if i >= 0] for row in pair[0].tolist()]
    assert indptr.dtype == torch.int64
    assert items.dtype == torch.int32


def test_judged_sets_hold_the_teacher_softmax_of_every_row() -> None:
    generator = torch.Generator().manual_seed(0)
    teacher = FactorTeacher(
        FactorTables(torch.randn(2, 3, generator=generator), torch.randn(9, 3, generator=generator))
    )
    padded = [torch.tensor([[0, 5, -1], [8, 2, 1]], dtype=torch.int32), torch.tensor([[-1], [3]], dtype=torch.int32)]
    sets = judged_sets(teacher, padded, tau=2.0)
    assert sets.items.tolist() == [0, 5, 8, 2, 1, 3]
    assert sets.indptr.tolist() == [0, 2, 5, 5, 6]
    score_UI = teacher.tables.user_UD @ teacher.tables.item_ID.T / 2.0
    expected = [torch.softmax(score_UI[0, [0, 5]], 0), torch.softmax(score_UI[1, [8, 2, 1]], 0), torch.ones(1)]
    torch.testing.assert_close(sets.prob, torch.cat(expected))
