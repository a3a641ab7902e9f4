"""Ranking losses on one list per row: of items per user or, tables and history swapped, of users per item."""

from typing import NamedTuple

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.list_scores import list_scores
from rcekd.kernels.plackett_luce import plackett_luce
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables


class RankedLists(NamedTuple):
    """Per row, what is to stand on top in this order [N, K] and what is to stand below it [N, L]: int32, −1 padded."""

    positive_NK: Tensor
    other_NL: Tensor


def ranking_loss(row_RD: Tensor, candidate_ID: Tensor, lists: RankedLists, row_R: Tensor) -> Tensor:
    """PL(positive; other) under row · candidate for rows `row_R` of the lists, whose vectors `row_RD` holds: [R]."""
    listed_RW = torch.cat([lists.positive_NK[row_R], lists.other_NL[row_R]], dim=1)
    score_RW = list_scores(row_RD, candidate_ID, listed_RW)
    return plackett_luce(score_RW, listed_RW >= 0, positives=lists.positive_NK.shape[1])


def swapped(tables: FactorTables) -> FactorTables:
    """Items in the place of users."""
    return FactorTables(tables.item_ID, tables.user_UD)


def transposed(rows: CSR, n_columns: int) -> CSR:
    """For each column the rows that hold it, ascending."""
    return CSR.from_pairs(rows.indices, rows.rows(), n_columns)


def best_users(tables: FactorTables, k: int, seen_by_item: CSR) -> Tensor:
    """Every item's k best users outside `seen_by_item`, best first: int32 [I, k], −1 padded."""
    return topk(tables.item_ID, tables.user_UD, k, seen=seen_by_item)[0]
