"""How much of a teacher concerns what its users already have."""

import math

import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables
from rcekd.teachers.importing.seen import list_mass, listed_share, top_mass
from tests.teachers.importing.aid import tables


def test_against_a_dense_computation(tiny_interactions: Interactions) -> None:
    found = FactorTables(*tables())
    score_UI = found.user_UD @ found.item_ID.T
    seen_UI = torch.zeros(30, 40, dtype=torch.bool)
    seen_UI[tiny_interactions.seen.rows().long(), tiny_interactions.seen.indices.long()] = True
    # Fewer than 50 items: the top 50 is the catalogue.
    expected = float((torch.softmax(score_UI, 1) * seen_UI).sum(1).mean())
    assert top_mass(found, tiny_interactions) == pytest.approx(expected, rel=1e-5)
    item_UN, score_UN = topk(*found, 12)
    assert listed_share(item_UN, tiny_interactions) == pytest.approx(
        float(seen_UI.gather(1, item_UN.long()).double().mean())
    )
    # Users without a list and the ends of short ones count for nothing.
    item_UN[3], item_UN[5, 7:] = -1, -1
    kept_U = torch.arange(30) != 3
    score_UN[5, 7:] = -torch.inf
    mass_U = (torch.softmax(score_UN, 1) * seen_UI.gather(1, item_UN.clamp(min=0).long())).sum(1)
    assert list_mass(item_UN, score_UN, tiny_interactions) == pytest.approx(float(mass_U[kept_U].mean()), rel=1e-5)


def test_padding_is_neither_listed_nor_believed_in(tiny_interactions: Interactions) -> None:
    """Users 0 and 1: one of two listed items seen, with e² of e² + e¹; an unseen one alone. All others have no list."""
    met = int(tiny_interactions.seen.indices[0])
    new = next(item for item in range(0, 40, 2) if item not in tiny_interactions.seen.indices[:10].tolist())
    item_UN = torch.full((30, 2), -1, dtype=torch.int32)
    item_UN[0], item_UN[1, 0] = torch.tensor([met, new]), 0  # user 1 likes odd items
    score_UN = torch.zeros(30, 2)
    score_UN[0] = torch.tensor([2.0, 1.0])
    assert listed_share(item_UN, tiny_interactions) == pytest.approx(1 / 3)
    assert list_mass(item_UN, score_UN, tiny_interactions) == pytest.approx(math.e / (math.e + 1) / 2)
    item_UN[1, 0] = int(tiny_interactions.seen.indices[10])
    assert list_mass(item_UN, score_UN, tiny_interactions) == pytest.approx((math.e / (math.e + 1) + 1) / 2)
