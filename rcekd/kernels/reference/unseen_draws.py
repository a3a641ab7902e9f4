"""Plain-torch uniform draws without replacement from what a user has not seen."""

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.philox import Stream, below, philox, philox_key
from rcekd.kernels.reference.unseen import nth_unseen


def _last_match(target_BL: Tensor, value_B: Tensor) -> Tensor:
    """int64 [B]: the last column that holds the row's value, −1 where none does."""
    order_L = torch.arange(1, target_BL.shape[1] + 1, device=target_BL.device)
    match_BL = (target_BL == value_B[:, None]) * order_L
    return match_BL.amax(1) - 1 if target_BL.shape[1] else torch.full_like(value_B, -1)


def _shuffled(target_BL: Tensor) -> Tensor:
    """What the first L places hold after place l has changed with place target_l ≥ l, for l = 0, 1, … in turn.

    Only places that were a target hold anything but their own number, so they alone are looked up.
    """
    held_BL, out_BL = torch.empty_like(target_BL), torch.empty_like(target_BL)
    for place in range(target_BL.shape[1]):
        earlier_BL = target_BL[:, :place]
        for value_B, into_B in ((target_BL[:, place], out_BL[:, place]), (None, held_BL[:, place])):
            wanted_B = torch.full_like(into_B, place) if value_B is None else value_B
            last_B = _last_match(earlier_BL, wanted_B)
            found_B = held_BL.gather(1, last_B.clamp(min=0)[:, None])[:, 0]
            into_B.copy_(torch.where(last_B >= 0, found_B, wanted_B))
    return out_BL


def unseen_draws(
    seen: CSR, n_items: int, draws: int, *, seed: int, epoch: int, users_B: Tensor | None = None
) -> Tensor:
    """int32 [B, L], −1 padded: the head of a Fisher–Yates shuffle of the user's unseen items.

    Draw l of a user has half a Philox block: words 2 (l mod 2) and 2 (l mod 2) + 1 of counter (user, l div 2, 0, 0).
    """
    device = seen.indptr.device
    user = torch.arange(seen.n_rows, device=device) if users_B is None else users_B.long()
    slot = torch.arange(draws, device=device)
    zero = torch.zeros((), dtype=torch.int64, device=device)
    word = philox(philox_key(seed, epoch, Stream.UNSEEN), user[:, None], slot[None, :] >> 1, zero, zero)
    odd = (slot & 1).bool()
    high, low = torch.where(odd, word[2], word[0]), torch.where(odd, word[3], word[1])
    left_BL = n_items - seen.lengths()[user][:, None] - slot
    rank_BL = _shuffled(slot + below(high, low, left_BL.clamp(min=1)))
    return nth_unseen(seen, user, rank_BL, n_items).masked_fill(left_BL <= 0, -1)
