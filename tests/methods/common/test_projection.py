"""The plain map between two widths: how it starts."""

import pytest
import torch
from torch import nn

from rcekd.methods.common.projection import projection
from tests.methods.scene import all_differ


def test_it_starts_by_its_seed_and_purpose_and_keeps_lengths() -> None:
    made = [projection(100, 400, seed=seed, purpose=use) for seed, use in ((1, "a"), (2, "a"), (1, "b"), (1, "a"))]
    weights = [next(linear.parameters()).detach() for linear in made]
    assert all_differ(weights[:3])
    assert torch.equal(weights[0], weights[3])
    assert weights[0].std().item() == pytest.approx(0.1, rel=0.02)


def test_equal_widths_need_none() -> None:
    assert isinstance(projection(5, 5, seed=1, purpose="a"), nn.Identity)
