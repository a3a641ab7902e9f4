"""Sums over pairs of cosines, by Gram matrices and by blocks, against loops in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import rcekd.methods.common.topology as topology
from rcekd.methods.common.topology import full_gap, grouped_gap, unit_rows
from rcekd.streams import stream


def rows(count: int, width: int, name: str) -> Tensor:
    return torch.randn(count, width, generator=stream(0, name))


def slow(student: Tensor, teacher: Tensor, group: Tensor | None = None, *, positive: bool = False) -> Tensor:
    """Σ over ordered pairs, one by one."""
    total = 0.0 * student.double().sum()  # has a gradient where no pair counts
    s, t = (value / value.norm(dim=1, keepdim=True).clamp(min=1e-300) for value in (student, teacher.double()))
    for i in range(len(s)):
        for j in range(len(s)):
            wanted = t[i] @ t[j]
            if (group is not None and group[i] != group[j]) or (positive and wanted <= 0):
                continue
            total = total + (wanted - s[i] @ s[j]) ** 2
    return total


def compare(found: Tensor, leaf: Tensor, expected: Tensor, wanted: Tensor) -> None:
    found.backward()
    expected.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    assert leaf.grad is not None
    assert wanted.grad is not None
    scale = float(wanted.grad.abs().max()) if wanted.numel() else 0.0
    torch.testing.assert_close(leaf.grad.double(), wanted.grad, rtol=1e-4, atol=1e-4 * scale + 1e-6)


@pytest.mark.parametrize("count", [0, 1, 3, 60])
def test_full_gap_by_either_form(count: int) -> None:
    student, teacher = rows(count, 4, "s"), rows(count, 9, "t")
    for form in (full_gap, topology._gram_gap):
        leaf, wanted = student.clone().requires_grad_(), student.double().requires_grad_()
        if count == 0:
            assert form(unit_rows(leaf), unit_rows(teacher)).item() == 0.0
            continue
        compare(form(unit_rows(leaf), unit_rows(teacher)), leaf, slow(wanted, teacher), wanted)


@pytest.mark.parametrize("width", [1, 79, 80, 81, 170])
def test_half_a_gram_matrix_is_enough(width: int) -> None:
    value = rows(30, width, "t")
    expected = (value.double().T @ value.double()).square().sum()
    assert topology._gram_square_sum(value).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_gram_form_does_not_lose_a_small_gap() -> None:
    """A student within a thousandth of its teacher: the value is a difference of sums 10⁶ times larger."""
    teacher = rows(400, 12, "t")
    leaf = (teacher + 1e-2 * rows(400, 12, "noise")).requires_grad_()
    exact = leaf.detach().double()
    s, t = (value / value.norm(dim=1, keepdim=True) for value in (exact, teacher.double()))
    expected = (s @ s.T - t @ t.T).square().sum()
    found = topology._gram_gap(unit_rows(leaf), unit_rows(teacher))
    assert found.item() == pytest.approx(expected.item(), rel=1e-3)
    found.backward()
    grad = torch.autograd.grad(_direct(exact.requires_grad_(), t), exact)[0]
    assert leaf.grad is not None
    torch.testing.assert_close(leaf.grad.double(), grad, rtol=1e-2, atol=1e-3 * float(grad.abs().max()))


def _direct(student: Tensor, unit_teacher: Tensor) -> Tensor:
    s = student / student.norm(dim=1, keepdim=True)
    return (s @ s.T - unit_teacher @ unit_teacher.T).square().sum()


def test_the_same_space_has_no_gap() -> None:
    value = rows(300, 6, "s")
    leaf = value.clone().requires_grad_()
    loss = topology._gram_gap(unit_rows(leaf), unit_rows(value))
    loss.backward()
    assert 0.0 <= loss.item() < 0.1  # of 300² pairs, each between 0 and 4
    assert leaf.grad is not None
    assert leaf.grad.abs().max() < 1e-3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=14), st.booleans(), st.integers(1, 5), st.integers(0, 5))
def test_grouped_gap(groups: list[int], positive: bool, block: int, shared: int) -> None:
    """Groups of any size, of one member, absent ones; blocks that cut through them."""
    count, group = len(groups), torch.tensor(groups)
    student, teacher = rows(count, 3, "s"), rows(count, 5, "t")
    student[0] = 0.0
    teacher[-1] = 0.0  # its cosines are 0, which is not positive
    leaf, wanted = student.clone().requires_grad_(), student.double().requires_grad_()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topology, "BLOCK_ROWS", block)
        patch.setattr(topology, "SHARED_ROWS", shared)
        found = grouped_gap(unit_rows(leaf), unit_rows(teacher), group, positive=positive)
    found.backward()
    expected = slow(unit_rows(wanted), teacher, group, positive=positive)
    expected.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    assert leaf.grad is not None
    assert wanted.grad is not None
    torch.testing.assert_close(leaf.grad[1:].double(), wanted.grad[1:], rtol=1e-3, atol=1e-4)
    assert torch.equal(leaf.grad[0], torch.zeros(3))


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 5), st.integers(0, 5))
def test_every_pair_of_a_group_is_in_one_block(sizes: list[int], block: int, shared: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(topology, "BLOCK_ROWS", block)
        found = list(topology._blocks(sizes, shared))
    group = [number for number, size in enumerate(sizes) for _ in range(size)]
    assert [row for rows in found for row in range(rows.first, rows.last)] == list(range(len(group)))
    for rows in found:
        held = set(group[rows.first : rows.last])
        assert rows.shared == (len(held) > 1)
        assert rows.last - rows.first <= max(block, shared)
        assert rows.reach == sum(sizes[: max(held) + 1]), "to the end of its last group"


def test_pairs_that_all_point_away_are_dropped() -> None:
    """Two opposite teachers: only each with itself is left, and that gap is 0."""
    teacher = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    leaf = rows(2, 3, "s").requires_grad_()
    group = torch.zeros(2, dtype=torch.int64)
    loss = grouped_gap(unit_rows(leaf), unit_rows(teacher), group, positive=True)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-10)
    assert leaf.grad is not None
    assert leaf.grad.abs().max() < 1e-5
    assert grouped_gap(unit_rows(leaf), unit_rows(teacher), group, positive=False).item() > 0


def test_unit_rows_leave_a_zero_row() -> None:
    leaf = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    unit = unit_rows(leaf)
    torch.testing.assert_close(unit.detach(), torch.tensor([[0.0, 0.0], [0.6, 0.8]]))
    unit.sum().backward()
    assert leaf.grad is not None
    assert torch.equal(leaf.grad[0], torch.zeros(2))
