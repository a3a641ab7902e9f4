"""The Plackett–Luce loss against the formula written as loops, at its edges, and as a probability."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rcekd.methods.common.plackett_luce import listed_plackett_luce, plackett_luce


def by_hand(positive: list[float], other: list[float]) -> float:
    total = 0.0
    for k, score in enumerate(positive):
        total += math.log(sum(math.exp(s) for s in [*positive[k:], *other])) - score
    return total


def make_rows(seed: int = 0, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    positive, other = (scale * torch.randn(7, n, generator=generator, dtype=torch.float64) for n in (5, 4))
    masks = (torch.rand(7, n, generator=generator) < 0.7 for n in (5, 4))
    return positive, other, *masks


@given(st.integers(0, 10_000), st.sampled_from([0.1, 1.0, 8.0]))
def test_it_is_the_formula_on_what_counts(seed: int, scale: float) -> None:
    positive, other, mask, other_mask = make_rows(seed, scale)
    loss = plackett_luce(positive, other, mask, other_mask)
    rows = zip(positive, other, mask, other_mask, strict=True)
    assert loss.tolist() == pytest.approx([by_hand(p[m].tolist(), o[n].tolist()) for p, o, m, n in rows])


def test_gradients() -> None:
    positive, other, mask, other_mask = make_rows()
    scores = positive.requires_grad_(), other.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, o: plackett_luce(p, o, mask, other_mask), scores)
    weight = torch.arange(7.0, dtype=torch.float64)
    (weight * plackett_luce(positive, other, mask, other_mask)).sum().backward()
    assert positive.grad is not None
    assert other.grad is not None
    assert not positive.grad[~mask].any()
    assert not other.grad[~other_mask].any()
    assert torch.allclose(positive.grad.sum(1) + other.grad.sum(1), torch.zeros(7, dtype=torch.float64))


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_rows_without_padding_are_as_those_among_padded_ones(scale: float) -> None:
    positive, other, mask, other_mask = make_rows(scale=scale)
    mask[:3], other_mask[:3] = True, True
    among = plackett_luce(positive, other, mask, other_mask)[:3]
    alone = plackett_luce(positive[:3], other[:3], mask[:3], other_mask[:3])
    assert among.tolist() == pytest.approx(alone.tolist())
    scores = torch.cat([positive, other], dim=1)[:3].clone().requires_grad_()
    listed = listed_plackett_luce(scores, torch.ones(3, 9).bool(), positives=5)
    assert listed.tolist() == alone.tolist()
    assert torch.autograd.gradcheck(lambda s: listed_plackett_luce(s, torch.ones(3, 9).bool(), positives=5), scores)


def test_the_rankings_of_a_set_share_out_its_probability() -> None:
    scores = torch.tensor([0.3, -1.0, 2.0, 0.5], dtype=torch.float64)
    orders = torch.tensor(list(itertools.permutations(range(4), 2)))
    rest = torch.tensor([[i for i in range(4) if i not in order] for order in orders.tolist()])
    loss = plackett_luce(scores[orders], scores[rest], torch.ones(12, 2).bool(), torch.ones(12, 2).bool())
    assert (-loss).exp().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [300.0, 1e4])
def test_scores_far_apart_are_no_trouble_in_float32(scale: float) -> None:
    positive = (scale * torch.tensor([[-1.0, 1.0, 0.5]])).requires_grad_()
    other = (scale * torch.tensor([[0.9, -1.0]])).requires_grad_()
    loss = plackett_luce(positive, other, torch.ones(1, 3).bool(), torch.ones(1, 2).bool())
    loss.sum().backward()
    assert loss.item() == pytest.approx(scale * (2.0 + 0.0 + 0.4), rel=1e-5)
    assert positive.grad is not None
    assert other.grad is not None
    rounding = 1e-7 * scale
    assert positive.grad.tolist() == [pytest.approx([-1.0, 1.0, -1.0], abs=rounding)]
    assert other.grad.tolist() == [pytest.approx([1.0, 0.0], abs=rounding)]


def test_rows_without_positives_or_without_others() -> None:
    positive = torch.tensor([[1.0, 2.0], [1.0, 2.0]], requires_grad=True)
    mask = torch.tensor([[False, False], [True, True]])
    loss = plackett_luce(positive, torch.empty(2, 0), mask, torch.empty(2, 0).bool())
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([0.0, by_hand([1.0, 2.0], [])])
    assert positive.grad is not None
    assert torch.isfinite(positive.grad).all()
    assert not positive.grad[0].any()
    alone = plackett_luce(positive, torch.ones(2, 3), mask, torch.zeros(2, 3).bool())
    assert alone.tolist() == loss.tolist()


def test_shapes_that_do_not_fit_are_refused() -> None:
    positive, other, mask, other_mask = make_rows()
    with pytest.raises(ValueError, match="P do not fit"):
        plackett_luce(positive, other, mask[:, :4], other_mask)
    with pytest.raises(ValueError, match="N do not fit"):
        plackett_luce(positive, other[:3], mask, other_mask[:3])
    for positives in (0, 6):
        with pytest.raises(ValueError, match=f"and {positives} positives do not fit"):
            listed_plackett_luce(positive, mask, positives=positives)
    with pytest.raises(ValueError, match="5 positives do not fit"):
        listed_plackett_luce(positive, mask[:, :4], positives=5)
