"""Draws of the items on whose rank two models disagree (DCD, CIKM'21; BD, WWW'21)."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference, scan_inputs
from rcekd.kernels.checks import as_ids, check_ascending_rows, check_tables, is_native
from rcekd.kernels.csr import CSR
from rcekd.kernels.gap import Direction, GapDraws, Weight
from rcekd.kernels.gap_requests import as_array, as_operands, as_structs, check_request, empty_lists
from rcekd.kernels.library import address, register

__all__ = ["GapDraws", "rank_gap_draws", "rank_gap_lists"]


def rank_gap_draws(
    user_UD: Tensor,
    item_ID: Tensor,
    other_user_UE: Tensor,
    other_item_IE: Tensor,
    draws: int,
    *,
    weight: Weight,
    eps: float,
    direction: Direction,
    seed: int,
    epoch: int,
    stream: int,
    seen: CSR | None = None,
    replacement: bool = False,
    users_B: Tensor | None = None,
) -> Tensor:
    """int32 [B, L]: one request of `rank_gap_lists`, where the arguments are explained."""
    request = GapDraws(draws, weight, eps, direction, stream, replacement)
    tables = user_UD, item_ID, other_user_UE, other_item_IE
    return rank_gap_lists(*tables, [request], seed=seed, epoch=epoch, seen=seen, users_B=users_B)[0]


@torch.no_grad()
def rank_gap_lists(
    user_UD: Tensor,
    item_ID: Tensor,
    other_user_UE: Tensor,
    other_item_IE: Tensor,
    requests: Sequence[GapDraws],
    *,
    seed: int,
    epoch: int,
    seen: CSR | None = None,
    users_B: Tensor | None = None,
) -> list[Tensor]:
    """For each request an int32 [B, L] of items drawn ∝ a weight of the gap between two models' ranks, in draw order.

    Both models, the own and the other, rank each user's unseen items by inner product, rank 1 the best, equal scores
    by lowest id. All requests share the two rankings, which are the costly part, so ask for everything at once. Draws
    are successive, without replacement unless a request says so; where fewer items have a weight above 0 than a
    request wants, −1 follows. Items in the user's row of `seen` (ascending without repeats) are neither ranked nor
    drawn.

    Rows follow `users_B` (all users when None) and are keyed by (seed, epoch, stream, user). Swap the users' and the
    items' tables for the item side: lists of users per item. Raises FloatingPointError, naming the user, when a score
    is NaN or infinite; TypeError or ValueError on misuse.

    The weights are those of Lee and Kim, "Dual Correction Strategy for Ranking Distillation" (CIKM'21), and Kweon et
    al., "Bidirectional Distillation for Top-K Recommender System" (WWW'21).
    """
    check_tables(user_UD, item_ID)
    check_tables(other_user_UE, other_item_IE)
    users, items = user_UD.shape[0], item_ID.shape[0]
    others = other_user_UE.shape[0], other_item_IE.shape[0]
    if others != (users, items):
        raise ValueError(f"the other model has {others[0]} users and {others[1]} items, not {users} and {items}")
    for request in requests:
        check_request(request)
    seen = scan_inputs.seen_items(seen, users, items, user_UD.device)
    if seen is not None:
        check_ascending_rows("seen", *seen)
    users_B = torch.arange(users, device=user_UD.device) if users_B is None else users_B
    users_B = as_ids("users_B", users_B, users, dims=1)
    tables = user_UD, item_ID, other_user_UE, other_item_IE
    if not is_native(*tables):
        return reference.rank_gap_lists(*tables, requests, seed=seed, epoch=epoch, seen=seen, users_B=users_B)
    drawn: list[Tensor] = _operation(
        *(table.contiguous() for table in tables),
        users_B,
        *(seen or (None, None)),
        *as_operands(requests, seed=seed, epoch=epoch),
    )
    return drawn


def _rank_gap_draws_cpu(
    user_UD: Tensor,
    item_ID: Tensor,
    other_user_UE: Tensor,
    other_item_IE: Tensor,
    users_B: Tensor,
    seen_indptr: Tensor | None,
    seen_item: Tensor | None,
    draws: list[int],
    flags: list[int],
    eps: list[float],
    keys: list[int],
) -> list[Tensor]:
    item_BL = empty_lists(users_B.numel(), draws, users_B.device)
    status, bad_row = _native.rank_gap_draws(
        user_UD.data_ptr(),
        item_ID.data_ptr(),
        other_user_UE.data_ptr(),
        other_item_IE.data_ptr(),
        users_B.data_ptr(),
        address(seen_indptr),
        address(seen_item),
        users_B.numel(),
        item_ID.shape[0],
        item_ID.shape[1],
        other_item_IE.shape[1],
        as_structs((draws, flags, eps, keys), item_BL),
        torch.get_num_threads(),
    )
    scan_inputs.raise_for_status(status, users_B, bad_row)
    return item_BL


def _rank_gap_draws_cuda(
    user_UD: Tensor,
    item_ID: Tensor,
    other_user_UE: Tensor,
    other_item_IE: Tensor,
    users_B: Tensor,
    seen_indptr: Tensor | None,
    seen_item: Tensor | None,
    draws: list[int],
    flags: list[int],
    eps: list[float],
    keys: list[int],
) -> list[Tensor]:
    item_BL = empty_lists(users_B.numel(), draws, users_B.device)
    requests = as_array((draws, flags, eps, keys), item_BL)
    bad_row = scan_inputs.no_bad_row(users_B)
    cuda_library.run(
        "rank_gap_draws",
        users_B,
        beside={"bad_row": bad_row},
        user_factor=user_UD,
        item_factor=item_ID,
        other_user_factor=other_user_UE,
        other_item_factor=other_item_IE,
        user=users_B,
        seen_indptr=seen_indptr,
        seen_item=seen_item,
        rows=users_B.numel(),
        n_items=item_ID.shape[0],
        d=item_ID.shape[1],
        other_d=other_item_IE.shape[1],
        request=ctypes.addressof(requests),
        requests=len(draws),
    )
    scan_inputs.raise_for_bad_row(users_B, bad_row)
    return item_BL


_operation = register(
    "rank_gap_draws(Tensor user_UD, Tensor item_ID, Tensor other_user_UE, Tensor other_item_IE, Tensor users_B,"
    " Tensor? seen_indptr, Tensor? seen_item, int[] draws, int[] flags, float[] eps, int[] keys) -> Tensor[]",
    _rank_gap_draws_cpu,
    _rank_gap_draws_cuda,
)
