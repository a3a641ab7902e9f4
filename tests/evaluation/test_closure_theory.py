"""Theorems 4.1 and 4.4: the bound on closed sets of any scores, its failure elsewhere, and a slow second reading."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from rcekd.evaluation.closure_theory import Judged, StudentBlock, TeacherBlock, ranks

ITEMS = st.integers(1, 30)
patiently = settings(max_examples=60, deadline=None)  # the first example imports what the others find


class Case(NamedTuple):
    """Scores of one user, with a set of items."""

    student: list[float]
    teacher: list[float]
    chosen: list[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Scores of any size, ties among them, and a set of any kind."""
    items = draw(ITEMS)
    # Few values make ties; many make softmaxes that put all they have on one item.
    score = st.one_of(st.integers(-3, 3).map(float), st.floats(-60.0, 60.0, width=32))
    student, teacher = (draw(arrays("float32", items, elements=score)).tolist() for _ in range(2))
    chosen = draw(st.lists(st.integers(0, items - 1), min_size=1, max_size=items, unique=True))
    return Case(student, teacher, chosen)


def judge(student: Sequence[float], teacher: Sequence[float], chosen: Sequence[int], tau: float = 1.0) -> Judged:
    block = StudentBlock(torch.tensor([student]), TeacherBlock(torch.tensor([teacher]), tau=tau))
    return block.judge(torch.tensor([chosen]))


def closure_of(student: Sequence[float], chosen: Sequence[int]) -> list[int]:
    """The set with all that the student ranks above any member."""
    order = sorted(range(len(student)), key=lambda i: (-student[i], i))
    return order[: max(order.index(i) for i in chosen) + 1]


def slowly(student: Sequence[float], teacher: Sequence[float], chosen: Sequence[int]) -> dict[str, float]:
    """The definitions of section 4, one item after the other; relevance y and 2^y − 1 as they are written."""
    order = sorted(range(len(student)), key=lambda i: (-student[i], i))
    rank = {item: place for place, item in enumerate(order, start=1)}
    whole = sum(math.exp(t) for t in teacher)
    y = {i: math.log2(math.exp(teacher[i]) / whole + 1.0) for i in chosen}
    gain = {i: 2.0 ** y[i] - 1.0 for i in chosen}
    dcg = sum(gain[i] / math.log2(1 + rank[i]) for i in chosen)
    best = sorted(chosen, key=lambda i: -y[i])
    ideal = sum(gain[i] / math.log2(1 + place) for place, i in enumerate(best, start=1))
    mass = sum(math.exp(teacher[i]) for i in chosen)
    sharp = sum(math.exp(student[i]) for i in chosen)
    ce = -sum(math.exp(teacher[i]) / mass * math.log(math.exp(student[i]) / sharp) for i in chosen)
    above = {j for i in chosen for j in order if rank[j] <= rank[i]}
    return {
        "size": len(chosen),
        "missing": len(above - set(chosen)),
        "ce": ce,
        "log_ndcg": math.log(dcg / ideal),
        "log_mass": math.log(mass / whole),
    }


@patiently
@given(cases())
def test_the_bound_holds_on_every_closed_set(case: Case) -> None:
    found = judge(case.student, case.teacher, closure_of(case.student, case.chosen))
    assert found.closed.all()
    assert not found.violated.any()
    assert not found.sharp_violated.any()
    assert found.sharp_slack.item() == pytest.approx((found.slack + found.log_mass).item(), abs=1e-9)


@patiently
@given(cases())
def test_theorem_4_1_is_the_case_of_all_items(case: Case) -> None:
    block = StudentBlock(torch.tensor([case.student]), TeacherBlock(torch.tensor([case.teacher])))
    whole = block.judge_catalogue()
    assert whole.closed.all()
    assert not whole.violated.any()
    assert whole.log_mass.item() == 0.0
    listed = block.judge(torch.arange(len(case.student))[None])
    for one, other in zip(whole, listed, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@patiently
@given(cases())
def test_closure_is_what_assumption_4_3_says(case: Case) -> None:
    found = judge(case.student, case.teacher, case.chosen)
    whole = closure_of(case.student, case.chosen)
    assert found.missing.item() == len(whole) - len(case.chosen)
    assert bool(found.closed) == (set(whole) == set(case.chosen))


@patiently
@given(cases(), st.floats(0.2, 5.0))
def test_the_bound_holds_at_every_temperature(case: Case, tau: float) -> None:
    found = judge(case.student, case.teacher, closure_of(case.student, case.chosen), tau=tau)
    assert not found.violated.any()


def test_discounts_are_float64_to_the_last_digit() -> None:
    """Where student and teacher agree, NDCG is 1: not nearly."""
    score_I = torch.arange(200, 0, -1).float()
    block = StudentBlock(score_I[None], TeacherBlock(score_I[None], tau=100.0))
    for found in (block.judge_catalogue(), block.judge(torch.arange(50)[None])):
        assert abs(found.log_ndcg.item()) < 1e-14


SMALL = st.floats(-5.0, 5.0, width=32)


@patiently
@given(st.data(), ITEMS, st.floats(1.0, 5.0))
def test_every_number_is_that_of_the_definitions_for_the_scores_over_tau(
    data: st.DataObject, items: int, tau: float
) -> None:
    student, teacher = (data.draw(arrays("float32", items, elements=SMALL)).tolist() for _ in range(2))
    chosen = data.draw(st.lists(st.integers(0, items - 1), min_size=1, unique=True))
    found = judge(student, teacher, chosen, tau)
    wanted = slowly([s / tau for s in student], [t / tau for t in teacher], chosen)
    for name, value in wanted.items():
        assert getattr(found, name).item() == pytest.approx(value, rel=1e-6, abs=1e-6), name
    bound = wanted["log_mass"] - wanted["ce"]
    assert found.bound.item() == pytest.approx(bound, rel=1e-6, abs=1e-6)
    assert found.slack.item() == pytest.approx(wanted["log_ndcg"] - bound, rel=1e-6, abs=1e-6)


def test_the_bound_fails_on_a_set_that_is_not_closed() -> None:
    """By hand: J = {0} lies at the student's rank 4, all of the teacher's wish is there.

    CE over one item is 0 and C_J nearly 1, so the bound is nearly log 1; NDCG_J is 1 / log₂(1 + 4) = 0.43.
    """
    student, teacher = [0.0, 3.0, 2.0, 1.0], [20.0, 0.0, 0.0, 0.0]
    found = judge(student, teacher, [0])
    assert found.missing.item() == 3
    assert found.ce.item() == 0.0
    assert found.bound.item() == pytest.approx(-math.log1p(3 * math.exp(-20.0)))
    assert found.log_ndcg.item() == pytest.approx(math.log(1 / math.log2(5)))
    assert found.violated.all()
    closed = judge(student, teacher, [0, 1, 2, 3])
    assert closed.closed.all()
    assert not closed.violated.any()


def test_one_item_missing_is_enough_for_it_to_fail() -> None:
    """J lacks nothing but the student's first item; student and teacher agree on all the rest."""
    student = [9.0, 8.0, 0.0, 0.0]
    found = judge(student, [0.0, 20.0, 0.0, 0.0], [1, 2, 3])
    assert found.missing.item() == 1
    assert found.violated.all()
    assert found.sharp_violated.all()


def test_little_mass_hides_what_closure_is_for() -> None:
    """The teacher's softmax leaves J next to nothing, so (31) asks for next to nothing; without log C_J it fails."""
    found = judge([0.0, 3.0, 2.0, 1.0], [1.0, 5.0, 5.0, 5.0], [0])
    assert not found.closed.any()
    assert not found.violated.any()
    assert found.sharp_violated.all()


def test_a_set_that_is_not_closed_may_keep_the_bound() -> None:
    """Closure is enough and not needed: the teacher's wish lies high, and the student knows it."""
    found = judge([3.0, 2.0, 1.0], [5.0, 0.0, 0.0], [0, 2])
    assert not found.closed.any()
    assert not found.violated.any()


def test_the_slack_can_vanish() -> None:
    """Both put all they have on the same first item."""
    found = judge([50.0, 0.0, 0.0], [50.0, 0.0, 0.0], [0, 1, 2])
    assert found.slack.item() == pytest.approx(0.0, abs=1e-9)


def test_padding_and_rows_keep_apart() -> None:
    generator = torch.Generator().manual_seed(2)
    student_BI, teacher_BI = (torch.randn(3, 12, generator=generator) for _ in range(2))
    student_BI[:, 0] = -9.0  # the item that padding is read from stands last
    sets = [[3, 1, 7], [0], [5, 11, 2, 8, 9]]
    padded = torch.tensor([[*row, *[-1] * (5 - len(row))] for row in sets])
    found = StudentBlock(student_BI, TeacherBlock(teacher_BI)).judge(padded)
    for row, chosen in enumerate(sets):
        alone = judge(student_BI[row].tolist(), teacher_BI[row].tolist(), chosen)
        for one, other in zip(found, alone, strict=True):
            torch.testing.assert_close(one[row], other[0], rtol=1e-12, atol=1e-12)
    emptied = StudentBlock(student_BI, TeacherBlock(teacher_BI)).judge(padded.masked_fill(padded == 0, -1))
    assert emptied.size.tolist() == [3, 0, 5]
    assert emptied.slack.isnan().tolist() == [False, True, False]


@patiently
@given(arrays("float32", (3, 9), elements=st.sampled_from([-2.0, -1.5, -1e-30, -0.0, 0.0, 1e-30, 0.5, 7.0, 1e30])))
def test_ranks_break_ties_by_the_lower_id(scores: object) -> None:
    score_BI = torch.as_tensor(scores)
    found_BI: Tensor = ranks(score_BI)
    for row, values in zip(found_BI.tolist(), score_BI.tolist(), strict=True):
        order = sorted(range(9), key=lambda i: (-values[i], i))
        assert [row[i] for i in order] == list(range(1, 10))
