"""Scores as the native core defines them: one float32 fused multiply-add chain in ascending dimension."""

import torch
from torch import Tensor


def _round_to_odd(total: Tensor, error: Tensor) -> Tensor:
    """The double on the odd side of `total + error`, so that rounding it again to float32 is a single rounding.

    Rounding to nearest twice can go wrong when the first result lands on a tie of the second. A sum rounded to odd
    (Boldo & Melquiond, "Emulation of FMA and correctly rounded sums", IEEE TC 2008) never does, since 53 >= 24 + 2.
    """
    even = (total.view(torch.int64) & 1) == 0
    toward = torch.where(error > 0, torch.inf, -torch.inf).to(total.dtype)
    return torch.where((error != 0) & even, torch.nextafter(total, toward), total)


def fma_float32(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """a·b + c for float32 tensors, rounded once, as the hardware instruction does."""
    product = a.double() * b.double()  # exact: 24 + 24 bits fit into 53
    addend = c.double()
    total = product + addend
    part = total - product  # Knuth's TwoSum: total + error is the exact sum
    error = (product - (total - part)) + (addend - part)
    return _round_to_odd(total, torch.where(total.isfinite(), error, 0.0)).float()


def chain_scores(user_BD: Tensor, item_ID: Tensor) -> Tensor:
    """Scores [B, I] of float32 factors, bit for bit those of the native core; float64 factors get a plain product."""
    if user_BD.dtype == torch.float64:
        return user_BD @ item_ID.T
    score_BI = user_BD.new_zeros(user_BD.shape[0], item_ID.shape[0])
    for d in range(user_BD.shape[1]):
        score_BI = fma_float32(user_BD[:, d : d + 1], item_ID[:, d], score_BI)
    return score_BI


def require_finite(score_BI: Tensor, users_B: Tensor) -> None:
    """Raise FloatingPointError naming the first user that has a NaN or infinite score."""
    bad_B = ~score_BI.isfinite().all(dim=1)
    if bool(bad_B.any()):
        raise not_finite(int(users_B[int(bad_B.int().argmax())]))


def not_finite(user: int) -> FloatingPointError:
    """The error every scan raises for a user whose scores cannot be ranked."""
    return FloatingPointError(
        f"user {user} has a NaN or infinite score: the user or item factors are NaN, infinite or too large"
    )
