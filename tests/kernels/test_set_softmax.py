"""The native softmax over sets against the twin."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.set_softmax import set_softmax

LENGTHS = [0, 1, 5, 16, 17, 0, 100, 333, 0]


def sets(scale: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    indptr = torch.tensor([0, *LENGTHS]).cumsum(0)
    return scale * torch.randn(int(indptr[-1]), generator=generator), indptr


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 50.0, 1e30])
@pytest.mark.parametrize("tau", [1.0, 10.0, 0.1])
def test_equals_twin(scale: float, tau: float, assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    score, indptr = sets(scale)
    exact = reference.set_softmax(score.double(), indptr, tau=tau)
    assert_as_exact(set_softmax(score, indptr, tau=tau), reference.set_softmax(score, indptr, tau=tau), exact)


@pytest.mark.parametrize("softmax", [set_softmax, reference.set_softmax], ids=["native", "twin"])
def test_by_hand(softmax: Callable[..., Tensor]) -> None:
    prob = softmax(torch.tensor([3.0, 1.0, 7.0, -1.0, 0.0, 1.0]), torch.tensor([0, 2, 2, 3, 6]), tau=2.0)
    e = math.exp(0.5)
    two, three = e**3 + e, 1 / e + 1 + e
    assert prob.tolist() == pytest.approx([e**3 / two, e / two, 1.0, 1 / e / three, 1 / three, e / three])


def test_sums_to_one_per_set() -> None:
    prob = set_softmax(*sets(3.0))
    for part in prob.split(LENGTHS):
        assert part.numel() == 0 or abs(float(part.double().sum()) - 1) < 1e-6


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    score, indptr = sets(3.0)
    same_bytes(lambda: [set_softmax(score, indptr, tau=2.0)])


def test_float64_takes_the_twin() -> None:
    score, indptr = sets()
    assert set_softmax(score.double(), indptr).dtype == torch.float64


def test_nan_stays_in_its_set() -> None:
    prob = set_softmax(torch.tensor([1.0, torch.nan, 2.0, 0.0]), torch.tensor([0, 2, 4]))
    assert prob.isnan().tolist() == [True, True, False, False]


def test_misuse() -> None:
    score, indptr = sets()
    with pytest.raises(ValueError, match="tau must lie in"):
        set_softmax(score, indptr, tau=-1.0)
    with pytest.raises(ValueError, match="indptr must run from 0"):
        set_softmax(score[:-1], indptr)
    with pytest.raises(ValueError, match="must not decrease"):
        set_softmax(score[:3], torch.tensor([0, 2, 1, 3]))
    with pytest.raises(TypeError, match="int64"):
        set_softmax(score, indptr.int())
