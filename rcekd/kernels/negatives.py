"""Uniform negatives: items the user has not seen."""

import torch
from torch import Tensor

from rcekd.devices import is_gpu
from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import (
    INT64_MAX,
    as_ids,
    check_ascending_rows,
    check_count,
    check_indptr,
    demand_later,
    has_kernels,
)
from rcekd.kernels.csr import CSR
from rcekd.kernels.library import as_signed, as_unsigned, register
from rcekd.kernels.reference.philox import Stream, philox_key
from rcekd.work import report


def sample_negatives(
    user_B: Tensor, seen: CSR, n_items: int, n_negatives: int, *, seed: int, epoch: int, first: int = 0
) -> Tensor:
    """int32 [B, N]: for each user N independent items, uniform over those not in the user's row of `seen`.

    Entry b is keyed by (seed, epoch, first + b), so any split of an epoch into batches draws the same items. Rows of
    `seen` must be ascending without repeats (`CSR.sorted_unique`). Raises ValueError naming a user who has seen all.
    """
    check_indptr("seen.indptr", seen.indptr, seen.indices.numel())
    check_count("n_items", n_items)
    check_count("n_negatives", n_negatives, lowest=1)
    check_count("first", first, highest=INT64_MAX - user_B.numel())
    user_B = as_ids("user_B", user_B, seen.n_rows, dims=1)
    seen = CSR(seen.indptr, as_ids("seen.indices", seen.indices, n_items, dims=1))
    check_ascending_rows("seen", seen.indptr, seen.indices)
    _check_something_unseen(user_B, seen, n_items)
    if not has_kernels(user_B.device):
        return reference.sample_negatives(user_B, seen, n_items, n_negatives, seed=seed, epoch=epoch, first=first)
    key = as_signed(philox_key(seed, epoch, Stream.NEGATIVES))
    item_BN: Tensor = _operation(user_B, seen.indptr.contiguous(), seen.indices, n_items, n_negatives, key, first)
    return item_BN


def _negatives_cpu(
    user_B: Tensor, indptr: Tensor, indices: Tensor, n_items: int, n_negatives: int, key: int, first: int
) -> Tensor:
    item_BN = torch.empty(user_B.numel(), n_negatives, dtype=torch.int32)
    report(lambda: (0, 4 * (user_B.numel() + item_BN.numel())))
    _native.negatives(
        user_B.data_ptr(),
        indptr.data_ptr(),
        indices.data_ptr(),
        user_B.numel(),
        n_negatives,
        n_items,
        as_unsigned(key),
        first,
        item_BN.data_ptr(),
        torch.get_num_threads(),
    )
    return item_BN


def _negatives_cuda(
    user_B: Tensor, indptr: Tensor, indices: Tensor, n_items: int, n_negatives: int, key: int, first: int
) -> Tensor:
    item_BN = user_B.new_empty(user_B.numel(), n_negatives)
    report(lambda: (0, 4 * (user_B.numel() + item_BN.numel())))
    cuda_library.run(
        "negatives",
        user_B,
        user=user_B,
        seen_indptr=indptr,
        seen_item=indices,
        batch=user_B.numel(),
        negatives=n_negatives,
        n_items=n_items,
        key=as_unsigned(key),
        first=first,
        item=item_BN,
    )
    return item_BN


_operation = register(
    "negatives(Tensor user_B, Tensor indptr, Tensor indices, int n_items, int n_negatives, int key, int first)"
    " -> Tensor",
    _negatives_cpu,
    _negatives_cuda,
)


def _check_something_unseen(user_B: Tensor, seen: CSR, n_items: int) -> None:
    full = seen.lengths()[user_B.long()] >= n_items
    if is_gpu(user_B.device):
        demand_later(~full.any(), f"a user has seen all {n_items} items: no negative to draw")
    elif bool(full.any()):
        user = int(user_B[torch.nonzero(full)[0, 0]])
        raise ValueError(f"user {user} has seen all {n_items} items: no negative to draw")
