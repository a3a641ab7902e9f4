"""What an analysis counts: s_u on a histogram's edges."""

import pytest
import torch

from rcekd.experiments.analysing import BINS, mastery


@pytest.mark.parametrize("top_k", [5, 10, 20, 50, 100])
def test_shares_on_the_edges_stand_in_the_bin_that_they_begin(top_k: int) -> None:
    """One user for every |Q₁| from 0 to K."""
    teacher_NK = torch.arange(top_k).expand(top_k + 1, -1)
    mastered_NK = torch.arange(top_k) < torch.arange(top_k + 1)[:, None]
    found = mastery(teacher_NK, mastered_NK)
    assert found is not None
    exact = [0] * BINS
    for mastered in range(top_k + 1):
        exact[min(mastered * BINS // top_k, BINS - 1)] += 1
    assert [share * (top_k + 1) for share in found["share"]] == pytest.approx(exact)
    assert found["mean"] == pytest.approx(0.5, abs=1e-15)
    assert len(found["edges"]) == BINS + 1


def test_a_teacher_that_lists_nothing_has_no_shares() -> None:
    assert mastery(torch.full((3, 4), -1), torch.zeros(3, 4, dtype=torch.bool)) is None
