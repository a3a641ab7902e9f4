"""Checks every kernel door makes before an address goes to the native core: dtype, shape, device, range of ids."""

import torch
from torch import Tensor

from rcekd.devices import is_gpu
from rcekd.kernels.cuda_library import why_unavailable

ID_TYPES = (torch.int32, torch.int64)
INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1
LOWEST_TAU, HIGHEST_TAU = 1e-30, 1e30


def check_count(name: str, value: int, *, lowest: int = 0, highest: int = INT32_MAX) -> None:
    """A number of items, draws, … that the core can hold."""
    if not lowest <= value <= highest:
        raise ValueError(f"{name} must lie in [{lowest}, {highest}], not {value}")


def check_strided(name: str, tensor: Tensor) -> None:
    """A tensor with an address, not a sparse one."""
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor, not {tensor.layout}")


def check_tau(tau: float) -> None:
    """A temperature by which float32 scores can be divided."""
    if not LOWEST_TAU <= tau <= HIGHEST_TAU:
        raise ValueError(f"tau must lie in [{LOWEST_TAU}, {HIGHEST_TAU}], not {tau}")


def check_factors(name: str, factor: Tensor) -> None:
    """A dense floating-point table of shape [rows, D]."""
    check_strided(name, factor)
    if not factor.is_floating_point():
        raise TypeError(f"{name} must be floating point, not {factor.dtype}")
    if factor.dim() != 2:
        raise ValueError(f"{name} must have shape [rows, D], not {list(factor.shape)}")


def check_tables(user_factor_UD: Tensor, item_factor_ID: Tensor) -> None:
    """Two factor tables of one dtype, device and width."""
    check_factors("user_factor_UD", user_factor_UD)
    check_factors("item_factor_ID", item_factor_ID)
    if user_factor_UD.shape[1] != item_factor_ID.shape[1]:
        raise ValueError(
            f"user_factor_UD has width {user_factor_UD.shape[1]}, item_factor_ID has width {item_factor_ID.shape[1]}"
        )
    if user_factor_UD.dtype != item_factor_ID.dtype or user_factor_UD.device != item_factor_ID.device:
        raise TypeError("user_factor_UD and item_factor_ID must share dtype and device")


def check_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Exactly this shape."""
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} must have shape {list(shape)}, not {list(tensor.shape)}")


def as_ids(
    name: str, ids: Tensor, bound: int, *, lowest: int = 0, dims: int | None = None, kernel_checks: bool = False
) -> Tensor:
    """`ids` as contiguous int32, every one in [lowest, bound), of `dims` dimensions where that matters.

    kernel_checks: the operation's CUDA kernel looks at every id that it reads (csrc/cuda/demand.h), so that on a GPU
    int32 ids go there as they are. int64 ids are looked at here in any case, since they lose their upper half.
    """
    check_strided(name, ids)
    if dims is not None and ids.dim() != dims:
        raise ValueError(f"{name} must have {'one dimension' if dims == 1 else f'{dims} dimensions'}, not {ids.dim()}")
    if ids.dtype not in ID_TYPES:
        raise TypeError(f"{name} must be int32 or int64, not {ids.dtype}")
    if is_gpu(ids.device):
        if kernel_checks and ids.dtype == torch.int32:
            return ids.contiguous()
        demand_later(((ids >= lowest) & (ids < bound)).all(), f"{name} must lie in [{lowest}, {bound})")
    elif ids.numel():
        low, high = torch.aminmax(ids)
        if int(low) < lowest or int(high) >= bound:
            raise ValueError(f"{name} must lie in [{lowest}, {bound}), found {int(low)} to {int(high)}")
    return ids.to(torch.int32).contiguous()


def check_indptr(name: str, indptr: Tensor, entries: int, *, kernel_checks: bool = False) -> None:
    """Row starts of a ragged array of `entries` entries: int64, from 0 to `entries`, never decreasing.

    kernel_checks: on a GPU the operation's kernel looks at the rows that it reads.
    """
    check_strided(name, indptr)
    if indptr.dtype != torch.int64 or indptr.dim() != 1 or not indptr.numel():
        raise TypeError(f"{name} must be a non-empty int64 vector, not {indptr.dtype} {list(indptr.shape)}")
    if is_gpu(indptr.device):
        if kernel_checks:
            return
        right = (indptr[0] == 0) & (indptr[-1] == entries) & (indptr.diff() >= 0).all()
        demand_later(right, f"{name} must run from 0 to {entries} and never decrease")
        return
    if int(indptr[0]) != 0 or int(indptr[-1]) != entries:
        raise ValueError(f"{name} must run from 0 to {entries}, not from {int(indptr[0])} to {int(indptr[-1])}")
    if indptr.numel() > 1 and int(indptr.diff().min()) < 0:
        raise ValueError(f"{name} must not decrease")


def check_ascending_rows(name: str, indptr: Tensor, indices: Tensor) -> None:
    """Every row of a CSR ascending without repeats, so that it can be searched and counted."""
    if indices.numel() < 2:
        return
    begins = torch.zeros(indices.numel() + 1, dtype=torch.bool, device=indices.device)
    begins.index_fill_(0, indptr, True)  # begins[indptr] = True would copy a number to a GPU, and wait
    ascending = ((indices.diff() > 0) | begins[1:-1]).all()
    message = f"every row of {name} must be ascending without repeats; see CSR.sorted_unique"
    if is_gpu(indices.device):
        demand_later(ascending, message)
    elif not bool(ascending):
        raise ValueError(message)


def demand_later(condition: Tensor, message: str) -> None:
    """What a GPU finds out when it gets there, as for torch's own indices: asking would mean waiting for it."""
    torch._assert_async(condition, message)


def has_kernels(device: torch.device) -> bool:
    """Whether the native core computes on this device: on the CPU always, on a GPU where its kernels can be used."""
    return device.type == "cpu" or (is_gpu(device) and why_unavailable() is None)


def is_native(*tensors: Tensor) -> bool:
    """True when the native core takes these floats: float32, dense, on a device it computes on."""
    return all(t.dtype == torch.float32 and has_kernels(t.device) and t.layout == torch.strided for t in tensors)
