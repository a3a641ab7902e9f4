"""The approximate index against the exact scan."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rcekd.serving import index
from rcekd.serving.rows import stacked
from rcekd.serving.top import Lists, rank

pytest.importorskip("usearch")
from usearch.index import BatchMatches, Matches


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


def test_all_items_are_equally_long() -> None:
    item_ID = torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 0.0]])
    built = index.build(item_ID, 1)
    assert [np.linalg.norm(built.get(item)) for item in range(3)] == pytest.approx([5.0] * 3)
    assert [built.get(item)[:2].tolist() for item in range(3)] == item_ID.tolist()


class ByNumber:
    """An index of a hundred items that finds them by their numbers, for everybody."""

    def __len__(self) -> int:
        return 100

    def search(self, vector_BD: np.ndarray, count: int, threads: int) -> BatchMatches:
        del threads
        users = len(vector_BD)
        keys = np.tile(np.arange(count, dtype=np.uint64), (users, 1))
        return BatchMatches(keys, keys.astype(np.float32), np.full(users, count, np.uint64))


def test_it_is_asked_for_as_many_more_as_are_left_out() -> None:
    leave_out = stacked([torch.arange(0), torch.arange(30), torch.tensor([1])])
    lists = index.search(ByNumber(), torch.ones(3, 2), 3, leave_out, 1)
    assert lists.item_BK.tolist() == [[0, 1, 2], [30, 31, 32], [0, 2, 3]]


class Poor:
    """An index of ten items that finds two for the first user and three for any other."""

    def __len__(self) -> int:
        return 10

    def search(self, vector_BD: np.ndarray, count: int, threads: int) -> BatchMatches | Matches:
        """Where nothing was found stand item 0 and a small distance, as in memory that nobody has written to."""
        del threads
        keys, distances = np.zeros((len(vector_BD), count), np.uint64), np.full((len(vector_BD), count), -9, np.float32)
        keys[:, :3], distances[:, :3] = [4, 7, 2], [0.0, 0.5, 0.75]
        if len(vector_BD) == 1:
            return Matches(keys[0, :2], distances[0, :2])
        return BatchMatches(keys, distances, np.array([2] + [3] * (len(vector_BD) - 1), np.uint64))


def test_what_the_index_does_not_find_is_not_listed() -> None:
    leave_out = stacked([torch.tensor([7]), torch.tensor([1])])
    lists = index.search(Poor(), torch.ones(2, 3), 4, leave_out, 1)
    assert lists.item_BK.tolist() == [[4, -1, -1, -1], [4, 7, 2, -1]]
    assert lists.score_BK.tolist() == [[1.0] + [-torch.inf] * 3, [1.0, 0.5, 0.25, -torch.inf]]
    alone = index.search(Poor(), torch.ones(1, 3), 4, stacked([torch.tensor([7])]), 1)
    assert alone.item_BK.tolist() == [[4, -1, -1, -1]]


def test_recall() -> None:
    exact = Lists(torch.tensor([[1, 2], [3, -1]]), torch.zeros(2, 2))
    assert index.recall(exact, exact) == 1.0
    assert index.recall(Lists(torch.tensor([[2, 9], [-1, -1]]), torch.zeros(2, 2)), exact) == pytest.approx(1 / 3)
    generator = torch.Generator().manual_seed(3)
    random = [torch.stack([torch.randperm(30, generator=generator)[:12] - 1 for _ in range(40)]) for _ in range(2)]
    found, exact = (Lists(item_BK, torch.zeros(40, 12)) for item_BK in random)
    pairs = [(set(ours), set(theirs) - {-1}) for ours, theirs in zip(*(part.tolist() for part in random), strict=True)]
    hit, wanted = sum(len(ours & theirs) for ours, theirs in pairs), sum(len(theirs) for _, theirs in pairs)
    assert index.recall(found, exact) == hit / wanted
