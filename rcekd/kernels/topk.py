"""Fused streaming top-K: the best items of each user by inner product, never storing a score matrix."""

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference, scan_inputs
from rcekd.kernels.checks import check_ascending_rows, check_count, has_kernels
from rcekd.kernels.csr import CSR
from rcekd.kernels.library import address, register
from rcekd.work import report


def topk(
    user_factor_UD: Tensor, item_factor_ID: Tensor, k: int, *, users_B: Tensor | None = None, seen: CSR | None = None
) -> tuple[Tensor, Tensor]:
    """The k best items of each user: ids [B, k] int32 and scores [B, k] float32, best first, equal scores by lowest id.

    A score is one float32 FMA chain over D in ascending order, the same bits on every processor, for every number of
    threads and every batch. Rows follow `users_B` (all users when None). Items in the user's row of `seen` (a CSR over
    all users, rows ascending) are left out. Where fewer than k remain, ids are -1 and scores -inf.

    Raises FloatingPointError, naming the user, when a score is NaN or infinite; ValueError or TypeError on misuse.
    """
    user_factor_UD, item_factor_ID = scan_inputs.factor_tables(user_factor_UD, item_factor_ID)
    check_count("k", k, lowest=1)
    device = user_factor_UD.device
    users_B = scan_inputs.chosen_users(users_B, user_factor_UD.shape[0], device)
    seen = scan_inputs.seen_items(seen, user_factor_UD.shape[0], item_factor_ID.shape[0], device)
    if not has_kernels(device):
        return reference.topk(user_factor_UD, item_factor_ID, k, users_B=users_B, seen=seen)
    indptr, indices = seen if seen is not None else (None, None)
    found: tuple[Tensor, Tensor] = _topk(user_factor_UD, item_factor_ID, k, users_B, indptr, indices)
    return found


def _topk_cpu(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    k: int,
    users_B: Tensor,
    seen_indptr: Tensor | None,
    seen_item: Tensor | None,
) -> tuple[Tensor, Tensor]:
    rows = users_B.numel()
    item_BK = torch.empty(rows, k, dtype=torch.int32)
    score_BK = torch.empty(rows, k, dtype=torch.float32)
    report(lambda: _work(item_factor_ID, rows, k))
    status, bad_row = _native.topk(
        user_factor_UD.data_ptr(),
        item_factor_ID.data_ptr(),
        users_B.data_ptr(),
        address(seen_indptr),
        address(seen_item),
        rows,
        item_factor_ID.shape[0],
        item_factor_ID.shape[1],
        k,
        item_BK.data_ptr(),
        score_BK.data_ptr(),
        torch.get_num_threads(),
    )
    scan_inputs.raise_for_status(status, users_B, bad_row)
    return item_BK, score_BK


def _work(item_factor_ID: Tensor, rows: int, k: int) -> tuple[float, float]:
    """Every score once, the tables read, the lists written."""
    catalogue, width = item_factor_ID.shape
    return 2 * rows * catalogue * width, 4 * (rows * width + catalogue * width + 2 * rows * k)


def _topk_cuda(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    k: int,
    users_B: Tensor,
    seen_indptr: Tensor | None,
    seen_item: Tensor | None,
) -> tuple[Tensor, Tensor]:
    if seen_indptr is not None and seen_item is not None:
        check_ascending_rows("seen", seen_indptr, seen_item)
    rows, (catalogue, width) = users_B.numel(), item_factor_ID.shape
    report(lambda: _work(item_factor_ID, rows, k))
    item_BK = users_B.new_empty(rows, k)
    score_BK = user_factor_UD.new_empty(rows, k)
    bad_row = scan_inputs.no_bad_row(users_B)
    cuda_library.run(
        "topk",
        users_B,
        beside={"bad_row": bad_row},
        user_factor=user_factor_UD,
        item_factor=item_factor_ID,
        user=users_B,
        seen_indptr=seen_indptr,
        seen_item=seen_item,
        rows=rows,
        n_items=catalogue,
        d=width,
        k=k,
        item=item_BK,
        score=score_BK,
    )
    scan_inputs.raise_for_bad_row(users_B, bad_row)
    return item_BK, score_BK


_topk = register(
    "topk(Tensor user_factor_UD, Tensor item_factor_ID, int k, Tensor users_B, Tensor? seen_indptr, Tensor? seen_item)"
    " -> (Tensor, Tensor)",
    _topk_cpu,
    _topk_cuda,
)
