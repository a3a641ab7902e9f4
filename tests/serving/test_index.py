"""The approximate index against the exact scan."""

from pathlib import Path

import pytest
import torch

from rcekd.serving import index
from rcekd.serving.rows import stacked
from rcekd.serving.top import Lists, rank

pytest.importorskip("usearch")


def test_it_finds_nearly_all_and_leaves_out_what_it_is_told(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(5)
    user_UD, item_ID = torch.randn(50, 8, generator=generator), torch.randn(600, 8, generator=generator)
    item_ID *= torch.rand(600, 1, generator=generator) * 3  # of very different lengths
    seen = stacked([torch.randperm(600, generator=generator)[: user % 20].sort().values for user in range(50)])
    exact = rank(user_UD, item_ID, 10, seen)
    index.build(item_ID, 1).save(str(tmp_path / "i"))
    for found in (index.build(item_ID, 1), index.load(tmp_path / "i", 8)):
        lists = index.search(found, user_UD, 10, seen, 1)
        assert index.recall(lists, exact) > 0.98
        same = lists.item_BK == exact.item_BK
        torch.testing.assert_close(lists.score_BK[same], exact.score_BK[same], rtol=1e-4, atol=1e-4)
        one = index.search(found, user_UD[7:8], 10, stacked([torch.arange(0)]), 1)
        assert one.item_BK.shape == (1, 10)


def test_few_items() -> None:
    item_ID = torch.eye(3)
    lists = index.search(index.build(item_ID, 1), torch.tensor([[3.0, 2.0, 1.0]]), 5, stacked([torch.tensor([0])]), 1)
    assert lists.item_BK.tolist() == [[1, 2, -1, -1, -1]]
    assert lists.score_BK[0, :2].tolist() == pytest.approx([2.0, 1.0])


def test_recall() -> None:
    exact = Lists(torch.tensor([[1, 2], [3, -1]]), torch.zeros(2, 2))
    assert index.recall(exact, exact) == 1.0
    assert index.recall(Lists(torch.tensor([[2, 9], [-1, -1]]), torch.zeros(2, 2)), exact) == pytest.approx(1 / 3)
