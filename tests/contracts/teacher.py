"""A teacher that gives everything a method may ask for."""

import torch

from rcekd.models import MF, FactorTables, MFSettings
from rcekd.teachers import FactorTeacher
from tests.contracts.board import bare


def full_teacher(tables: FactorTables) -> FactorTeacher:
    """Two earlier moments of a training, two modalities of other widths, and a live model with the same factors.

    All of it is where the tables are.
    """
    device = tables.user_UD.device
    generator = torch.Generator().manual_seed(7)

    def near(scale: float, width: int) -> FactorTables:
        user_UD, item_ID = (table[:, :width] for table in tables)
        noise = [(scale * torch.randn(table.shape, generator=generator)).to(device) for table in (user_UD, item_ID)]
        return FactorTables(user_UD + noise[0], item_ID + noise[1])

    dim = tables.user_UD.shape[1]
    model = MF(bare(tables.n_users, tables.n_items), MFSettings(dim=dim), generator).to(device)
    with torch.no_grad():
        model.user.copy_(tables.user_UD)
        model.item.copy_(tables.item_ID)
    modalities = {"image": near(0.5, dim), "text": near(0.5, dim - 2)}
    return FactorTeacher(
        tables, trajectory=[near(1.0, dim), near(0.3, dim), tables], modalities=modalities, model=model
    )
