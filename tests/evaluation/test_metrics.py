"""Recall and NDCG against values worked out by hand."""

import math

import pytest
import torch

from rcekd.evaluation.metrics import ndcg, recall

HIT = torch.tensor([[True, False, True, False], [False] * 4, [True] * 4, [False] * 4])


def test_recall_by_hand() -> None:
    wanted = torch.tensor([4, 3, 4, 0])
    assert recall(HIT, wanted, 2).tolist() == [1 / 4, 0.0, 2 / 4, 0.0]
    assert recall(HIT, wanted, 4).tolist() == [2 / 4, 0.0, 1.0, 0.0]


def test_ndcg_by_hand() -> None:
    wanted = torch.tensor([4, 3, 4, 0])
    ideal2, ideal4 = 1 + 1 / math.log2(3), 1 + 1 / math.log2(3) + 0.5 + 1 / math.log2(5)
    assert ndcg(HIT, wanted, 2).tolist() == pytest.approx([1 / ideal2, 0.0, 1.0, 0.0])
    assert ndcg(HIT, wanted, 4).tolist() == pytest.approx([1.5 / ideal4, 0.0, 1.0, 0.0])


def test_the_ideal_list_is_no_longer_than_the_targets() -> None:
    one_hit_first = torch.tensor([[True, False, False]])
    assert ndcg(one_hit_first, torch.tensor([1]), 3).tolist() == [1.0]
    assert recall(one_hit_first, torch.tensor([1]), 3).tolist() == [1.0]


def test_lists_shorter_than_the_cutoff() -> None:
    hit = torch.tensor([[False, True]])
    assert recall(hit, torch.tensor([2]), 20).tolist() == [0.5]
    expected = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert ndcg(hit, torch.tensor([2]), 20).tolist() == pytest.approx([expected])
