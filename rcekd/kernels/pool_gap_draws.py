"""Draws from each row's pool of candidates, by how far a model's rank of a candidate is from its place there (DCD)."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference, scan_inputs
from rcekd.kernels.checks import INT32_MAX, as_ids, check_count, check_shape, check_tables, is_native
from rcekd.kernels.gap import GapDraws
from rcekd.kernels.gap_requests import as_array, as_operands, as_structs, check_request, empty_lists
from rcekd.kernels.library import address, register

__all__ = ["GapDraws", "pool_gap_lists"]


@torch.no_grad()
def pool_gap_lists(
    row_ND: Tensor,
    candidate_ID: Tensor,
    pool_NM: Tensor,
    requests: Sequence[GapDraws],
    *,
    seed: int,
    epoch: int,
    in_order: bool = False,
    rows_N: Tensor | None = None,
) -> list[Tensor]:
    """For each request candidates of every row's pool by the gap between two ranks, int32 [N, draws].

    The other model's rank of a candidate is its place in its row of `pool_NM` (best first, −1: nothing); the own one
    is its rank there by `row_ND` · `candidate_ID`, equal scores in the pool's order. Draws are without replacement,
    weights those of `GapDraws`; where fewer candidates have a weight above 0 than a request wants, −1 follows. They
    stand in the order of their draw, or `in_order` of the pool, which costs less: of a race, only its first need be
    found.

    Draws are keyed by (seed, epoch, stream, row, place), the row being `rows_N`, where given. By tanh a candidate can
    be drawn in one direction only, so that one request for each direction are independent even with one stream.
    Raises FloatingPointError, naming the row, when a score is NaN or infinite; TypeError or ValueError on misuse.

    The weights are those of Lee and Kim, "Dual Correction Strategy for Ranking Distillation" (CIKM'21), and Kweon et
    al., "Bidirectional Distillation for Top-K Recommender System" (WWW'21).
    """
    check_tables(row_ND, candidate_ID)
    rows = row_ND.shape[0]
    pool_NM = as_ids("pool_NM", pool_NM, candidate_ID.shape[0], lowest=-1, dims=2)
    check_shape("pool_NM", pool_NM, (rows, pool_NM.shape[1]))
    check_count("candidates per row", pool_NM.shape[1])
    for request in requests:
        check_request(request)
        if request.replacement:
            raise ValueError("draws from pools are without replacement")
    if rows_N is not None:
        check_shape("rows_N", rows_N, (rows,))
        rows_N = as_ids("rows_N", rows_N, INT32_MAX)
    if not is_native(row_ND, candidate_ID):
        tables = row_ND, candidate_ID, pool_NM
        return reference.pool_gap_lists(*tables, requests, seed=seed, epoch=epoch, in_order=in_order, rows_N=rows_N)
    drawn: list[Tensor] = _operation(
        row_ND.contiguous(),
        candidate_ID.contiguous(),
        pool_NM,
        rows_N,
        *as_operands(requests, seed=seed, epoch=epoch, in_order=in_order),
    )
    return drawn


def _numbers(rows_N: Tensor | None, pool_NM: Tensor) -> Tensor:
    """What the rows are called."""
    return torch.arange(pool_NM.shape[0], device=pool_NM.device) if rows_N is None else rows_N


def _pool_gap_draws_cpu(
    row_ND: Tensor,
    candidate_ID: Tensor,
    pool_NM: Tensor,
    rows_N: Tensor | None,
    draws: list[int],
    flags: list[int],
    eps: list[float],
    keys: list[int],
) -> list[Tensor]:
    item_NL = empty_lists(pool_NM.shape[0], draws, pool_NM.device)
    status, bad_row = _native.pool_gap_draws(
        row_ND.data_ptr(),
        candidate_ID.data_ptr(),
        pool_NM.data_ptr(),
        address(rows_N),
        pool_NM.shape[0],
        row_ND.shape[1],
        pool_NM.shape[1],
        as_structs((draws, flags, eps, keys), item_NL),
        torch.get_num_threads(),
    )
    scan_inputs.raise_for_status(status, _numbers(rows_N, pool_NM), bad_row)
    return item_NL


def _pool_gap_draws_cuda(
    row_ND: Tensor,
    candidate_ID: Tensor,
    pool_NM: Tensor,
    rows_N: Tensor | None,
    draws: list[int],
    flags: list[int],
    eps: list[float],
    keys: list[int],
) -> list[Tensor]:
    item_NL = empty_lists(pool_NM.shape[0], draws, pool_NM.device)
    requests = as_array((draws, flags, eps, keys), item_NL)
    numbers_N = _numbers(rows_N, pool_NM)
    bad_row = scan_inputs.no_bad_row(numbers_N)
    cuda_library.run(
        "pool_gap_draws",
        pool_NM,
        beside={"bad_row": bad_row},
        row_factor=row_ND,
        candidate_factor=candidate_ID,
        pool=pool_NM,
        number=rows_N,
        rows=pool_NM.shape[0],
        d=row_ND.shape[1],
        listed=pool_NM.shape[1],
        request=ctypes.addressof(requests),
        requests=len(draws),
    )
    scan_inputs.raise_for_bad_row(numbers_N, bad_row)
    return item_NL


_operation = register(
    "pool_gap_draws(Tensor row_ND, Tensor candidate_ID, Tensor pool_NM, Tensor? rows_N, int[] draws, int[] flags,"
    " float[] eps, int[] keys) -> Tensor[]",
    _pool_gap_draws_cpu,
    _pool_gap_draws_cuda,
)
