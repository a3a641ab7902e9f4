"""What of a teacher's lists and beliefs concerns items that their user already has in train."""

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables

TOP = 50  # K of RCE-KD by default


def listed_share(item_UN: Tensor, data: Interactions) -> float:
    """Share of the listed items that their user trains on."""
    return float(_is_seen(item_UN, data.seen, data.n_items)[item_UN >= 0].double().mean())


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
    mass_U = (p_UK * _is_seen(item_UK, data.seen, data.n_items)).sum(1)
    return float(mass_U[item_UK[:, 0] >= 0].mean())


def _is_seen(item_UN: Tensor, seen: CSR, n_items: int) -> Tensor:
    user_U = torch.arange(item_UN.shape[0])[:, None]
    seen_E = seen.rows().long() * n_items + seen.indices.long()
    return torch.isin(user_U * n_items + item_UN.long(), seen_E) & (item_UN >= 0)
