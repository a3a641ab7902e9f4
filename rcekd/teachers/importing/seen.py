"""What of a teacher's lists and beliefs concerns items that their user already has in train."""

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables

TOP = 50  # K of RCE-KD by default


def listed_share(item_UN: Tensor, data: Interactions) -> float:
    """Share of the listed items that their user trains on."""
    return float(data.seen.holds(item_UN)[item_UN >= 0].double().mean())


def top_mass(tables: FactorTables, data: Interactions) -> float:
    """Of the softmax over a user's top 50, what falls on items the user trains on; mean over users.

    A model that has memorised its training items scores them above all else, so that a sharp softmax over unmasked
    sets teaches little about the rest.
    """
    item_UK, score_UK = topk(tables.user_UD, tables.item_ID, min(TOP, data.n_items))
    return list_mass(item_UK, score_UK, data)


def list_mass(item_UN: Tensor, score_UN: Tensor, data: Interactions) -> float:
    """As `top_mass`, for lists of scores, best first; users without a list are left out."""
    item_UK, score_UK = item_UN[:, :TOP], score_UN[:, :TOP]
    p_UK = torch.softmax(score_UK.double().masked_fill(item_UK < 0, -torch.inf), 1)
    mass_U = (p_UK * data.seen.holds(item_UK)).sum(1)
    return float(mass_U[item_UK[:, 0] >= 0].mean())
