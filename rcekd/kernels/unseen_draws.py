"""Uniform draws without replacement from the items a user has not seen."""

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import as_ids, check_ascending_rows, check_count, check_indptr, has_kernels
from rcekd.kernels.csr import CSR
from rcekd.kernels.library import as_signed, as_unsigned, raise_for_memory, register
from rcekd.kernels.reference.philox import Stream, philox_key


def unseen_draws(
    seen: CSR, n_items: int, draws: int, *, seed: int, epoch: int, users_B: Tensor | None = None
) -> Tensor:
    """int32 [B, L]: for each user L different items, uniform over those not in the user's row of `seen`, in draw order.

    Every ordered outcome is equally likely. Where fewer than L items are left, all are drawn and −1 follows. Rows
    follow `users_B` (all users when None), may repeat, and are keyed by (seed, epoch, user), so a user's draws depend
    on nothing else. Rows of `seen` must be ascending without repeats (`CSR.sorted_unique`). Raises TypeError or
    ValueError on misuse.
    """
    check_count("draws", draws)
    check_count("n_items", n_items)
    check_indptr("seen.indptr", seen.indptr, seen.indices.numel())
    seen = CSR(seen.indptr.contiguous(), as_ids("seen.indices", seen.indices, n_items, dims=1))
    check_ascending_rows("seen", *seen)
    everyone = torch.arange(seen.n_rows, dtype=torch.int32, device=seen.indptr.device)
    users_B = everyone if users_B is None else as_ids("users_B", users_B, seen.n_rows, dims=1)
    if not has_kernels(seen.indptr.device):
        return reference.unseen_draws(seen, n_items, draws, seed=seed, epoch=epoch, users_B=users_B)
    key = as_signed(philox_key(seed, epoch, Stream.UNSEEN))
    item_BL: Tensor = _operation(users_B, *seen, n_items, draws, key)
    return item_BL


def _unseen_draws_cpu(users_B: Tensor, indptr: Tensor, indices: Tensor, n_items: int, draws: int, key: int) -> Tensor:
    item_BL = torch.empty(users_B.numel(), draws, dtype=torch.int32)
    status = _native.unseen_draws(
        users_B.data_ptr(),
        indptr.data_ptr(),
        indices.data_ptr(),
        users_B.numel(),
        draws,
        n_items,
        as_unsigned(key),
        item_BL.data_ptr(),
        torch.get_num_threads(),
    )
    raise_for_memory(status)
    return item_BL


def _unseen_draws_cuda(users_B: Tensor, indptr: Tensor, indices: Tensor, n_items: int, draws: int, key: int) -> Tensor:
    item_BL = users_B.new_empty(users_B.numel(), draws)
    cuda_library.run(
        "unseen_draws",
        users_B,
        user=users_B,
        seen_indptr=indptr,
        seen_item=indices,
        batch=users_B.numel(),
        draws=draws,
        n_items=n_items,
        key=as_unsigned(key),
        item=item_BL,
    )
    return item_BL


_operation = register(
    "unseen_draws(Tensor users_B, Tensor indptr, Tensor indices, int n_items, int draws, int key) -> Tensor",
    _unseen_draws_cpu,
    _unseen_draws_cuda,
)
