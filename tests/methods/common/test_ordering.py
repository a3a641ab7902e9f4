"""The order of rows against torch's own."""

import pytest
import torch

from rcekd.methods.common.ordering import descending
from rcekd.streams import stream


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (1, 1), (40, 7), (9, 500)])
@pytest.mark.parametrize("levels", [3, 10**6])
def test_it_is_the_stable_order(shape: tuple[int, int], levels: int) -> None:
    drawn_NM = torch.randint(-levels, levels + 1, shape, generator=stream(1, "test"))
    score_NM = drawn_NM.float() / 7.0
    assert torch.equal(descending(score_NM), score_NM.argsort(dim=1, descending=True, stable=True))
    assert torch.equal(descending(score_NM.double()), descending(score_NM))


def test_zeros_of_both_signs_and_infinities() -> None:
    score_NM = torch.tensor([[-0.0, 0.0, -torch.inf, torch.inf, -1e-45, 1e-45, -0.0]])
    assert descending(score_NM).tolist() == [[3, 5, 0, 1, 6, 4, 2]]


def test_the_scores_stay_as_they_are() -> None:
    score_NM = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    assert descending(score_NM).tolist() == [[1, 2, 0]]
    assert score_NM.tolist() == [[1.0, 3.0, 2.0]]
