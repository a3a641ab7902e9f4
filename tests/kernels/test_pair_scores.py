"""The native pair scores: the FMA chain, bit for bit."""

import ctypes
from collections.abc import Callable
from ctypes.util import find_library

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.pair_scores import pair_scores

# users, items, width, rows, longest row
SHAPES = [(1, 1, 1, 1, 1), (5, 40, 3, 7, 20), (30, 200, 20, 40, 37), (20, 100, 64, 20, 150), (9, 70, 401, 8, 33)]


def make(shape: tuple[int, ...], *, whole: bool = False) -> tuple[Tensor, ...]:
    users, items, width, rows, longest = shape
    generator = torch.Generator().manual_seed(0)
    user, item = torch.randn(users, width, generator=generator), torch.randn(items, width, generator=generator)
    if whole:
        user, item = (4 * user).round(), (4 * item).round()
    length = torch.randint(longest + 1, (rows,), generator=generator)
    length[0] = longest
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), length.cumsum(0)])
    ids = torch.randint(items, (int(indptr[-1]),), generator=generator)
    return user, item, torch.randint(users, (rows,), generator=generator), indptr, ids


def chain(user: Tensor, item: Tensor) -> float:
    """One FMA after the other in float32, by the C library."""
    fmaf = ctypes.CDLL(find_library("m")).fmaf
    fmaf.argtypes, fmaf.restype = [ctypes.c_float] * 3, ctypes.c_float
    score = 0.0
    for u, v in zip(user.tolist(), item.tolist(), strict=True):
        score = fmaf(u, v, score)
    return score


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whole_numbers_are_exact(shape: tuple[int, ...]) -> None:
    inputs = make(shape, whole=True)
    assert torch.equal(pair_scores(*inputs), reference.pair_scores(*inputs))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_is_the_chain(shape: tuple[int, ...]) -> None:
    user, item, user_R, indptr, ids = make(shape)
    row = reference.segments.entry_rows(indptr)
    expected = [chain(user[user_R[r]], item[i]) for r, i in zip(row[:60], ids[:60], strict=True)]
    assert pair_scores(user, item, user_R, indptr, ids)[:60].tolist() == expected


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_close_to_float64(shape: tuple[int, ...]) -> None:
    inputs = make(shape)
    exact = pair_scores(inputs[0].double(), inputs[1].double(), *inputs[2:])
    assert exact.dtype == torch.float64
    torch.testing.assert_close(pair_scores(*inputs).double(), exact, rtol=1e-5, atol=1e-5)


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    for shape in SHAPES:
        inputs = make(shape)
        same_bytes(lambda inputs=inputs: [pair_scores(*inputs)])  # type: ignore[misc]


def test_split_of_rows_leaves_no_trace() -> None:
    user, item, user_R, indptr, ids = make(SHAPES[2])
    whole = pair_scores(user, item, user_R, indptr, ids)
    parts = [
        pair_scores(user, item, user_R[r : r + 1], indptr[r : r + 2] - indptr[r], ids[indptr[r] : indptr[r + 1]])
        for r in range(user_R.numel())
    ]
    assert torch.equal(whole, torch.cat(parts))


def test_no_rows() -> None:
    user, item, *_ = make(SHAPES[2])
    none = torch.zeros(0, dtype=torch.int32)
    assert pair_scores(user, item, none, torch.zeros(1, dtype=torch.int64), none).shape == (0,)


def test_misuse() -> None:
    user, item, user_R, indptr, ids = make(SHAPES[2])
    with pytest.raises(ValueError, match="items must lie in"):
        pair_scores(user, item, user_R, indptr, ids - 200)
    with pytest.raises(ValueError, match="user_R must have shape"):
        pair_scores(user, item, user_R[:-1], indptr, ids)
    with pytest.raises(ValueError, match="indptr must run"):
        pair_scores(user, item, user_R, indptr, ids[:-1])
    with pytest.raises(TypeError, match="share dtype"):
        pair_scores(user.double(), item, user_R, indptr, ids)
