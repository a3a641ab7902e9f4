"""Checks shared by the operations that scan a catalogue: factor tables, chosen users, seen items."""

import torch
from torch import Tensor

from rcekd.kernels.checks import INT32_MAX, as_ids, check_indptr, check_strided
from rcekd.kernels.csr import CSR
from rcekd.kernels.library import raise_for_memory
from rcekd.kernels.reference.scores import not_finite

_NAN = 1  # rcekd_status in csrc/include/rcekd/common.h


def factor_table(name: str, factor: Tensor) -> Tensor:
    """A float32 table [rows, D], contiguous; ValueError or TypeError otherwise."""
    check_strided(name, factor)
    if factor.dtype != torch.float32:
        raise TypeError(f"{name} must be float32, not {factor.dtype}")
    if factor.ndim != 2 or factor.shape[1] == 0:
        raise ValueError(f"{name} must be [rows, D] with D >= 1, not {list(factor.shape)}")
    if factor.shape[0] > INT32_MAX:
        raise ValueError(f"{name} has {factor.shape[0]} rows; ids are int32")
    return factor.detach().contiguous()


def factor_tables(user_factor_UD: Tensor, item_factor_ID: Tensor) -> tuple[Tensor, Tensor]:
    """Both tables, checked, of one width."""
    user, item = factor_table("user_factor_UD", user_factor_UD), factor_table("item_factor_ID", item_factor_ID)
    if user.shape[1] != item.shape[1]:
        raise ValueError(f"user factors have width {user.shape[1]}, item factors {item.shape[1]}")
    if user.device != item.device:
        raise ValueError(f"user factors are on {user.device}, item factors on {item.device}")
    return user, item


def ids(
    name: str, value: Tensor, ndim: int, lowest: int, n: int, device: torch.device, *, kernel_checks: bool = False
) -> Tensor:
    """An int32 contiguous tensor of `ndim` dimensions on `device` with every entry in [lowest, n); see `as_ids`."""
    if value.ndim != ndim or value.device != device:
        raise ValueError(f"{name} must have {ndim} dimensions, on {device}, not {value.ndim} on {value.device}")
    return as_ids(name, value, n, lowest=lowest, kernel_checks=kernel_checks)


def chosen_users(users_B: Tensor | None, n_users: int, device: torch.device) -> Tensor:
    """The rows asked for, int32; every user in order when None."""
    if users_B is None:
        return torch.arange(n_users, dtype=torch.int32, device=device)
    return ids("users_B", users_B, 1, 0, n_users, device)


def seen_items(seen: CSR | None, n_users: int, n_items: int, device: torch.device) -> CSR | None:
    """A CSR over all users whose rows the core may search: int64 offsets that fit, ids in range."""
    if seen is None:
        return None
    indices = ids("seen.indices", seen.indices, 1, 0, n_items, device)
    check_indptr("seen.indptr", seen.indptr, indices.numel())
    if seen.n_rows != n_users:
        raise ValueError(f"seen has {seen.n_rows} rows, not one for each of {n_users} users")
    return CSR(seen.indptr.contiguous(), indices)


def no_bad_row(users_B: Tensor) -> Tensor:
    """What a scan on a GPU lowers to the first row it cannot rank: int64 [1], the number of rows."""
    return torch.full((1,), users_B.numel(), dtype=torch.int64, device=users_B.device)


def raise_for_bad_row(users_B: Tensor, bad_row: Tensor) -> None:
    """Waits for the scan, and raises what the doors promise where it met a NaN or infinite score."""
    row = int(bad_row)
    if row < users_B.numel():
        raise not_finite(int(users_B[row]))


def raise_for_status(status: int, users_B: Tensor, bad_row: int) -> None:
    """Turn the core's status into the exception the doors promise."""
    if status == _NAN:
        raise not_finite(int(users_B[bad_row]))
    raise_for_memory(status)
