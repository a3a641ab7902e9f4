"""Ranked lists as frames."""

import polars as pl
import torch

from rcekd.serving.ids import IdMap
from rcekd.serving.top import Lists, frame


def test_a_row_for_every_listed_item() -> None:
    """Ranks count from 1; a list that ends early has fewer rows, and one that is empty none."""
    item_BK = torch.tensor([[2, 0, -1], [-1, -1, -1], [1, 2, 0]], dtype=torch.int32)
    score_BK = torch.tensor([[3.0, 2.0, -torch.inf], [-torch.inf] * 3, [0.5, 0.25, -1.0]])
    found = frame(Lists(item_BK, score_BK), pl.Series(["x", "y", "z"]), IdMap(pl.Series([10, 20, 30]), "item"))
    assert found.columns == ["user", "rank", "item", "score"]
    assert found.rows() == [
        ("x", 1, 30, 3.0), ("x", 2, 10, 2.0), ("z", 1, 20, 0.5), ("z", 2, 30, 0.25), ("z", 3, 10, -1.0),
    ]  # fmt: skip
