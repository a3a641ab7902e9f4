"""An epoch's negatives: torch (draw, look up, draw again) and the twin against the native core."""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE
from rcekd.kernels import reference
from rcekd.kernels.csr import CSR
from rcekd.kernels.negatives import sample_negatives

INTERACTIONS = 98_405


def rejecting(user_B: Tensor, known: Tensor) -> Tensor:
    """The usual loop; `known` holds the sorted keys user · I + item."""
    item_B = torch.randint(CITEULIKE.items, user_B.shape)
    while True:
        key = user_B * CITEULIKE.items + item_B
        at = torch.searchsorted(known, key).clamp(max=known.numel() - 1)
        bad = (known[at] == key).nonzero()[:, 0]
        if not bad.numel():
            return item_B
        item_B[bad] = torch.randint(CITEULIKE.items, bad.shape)


def bench() -> str:
    generator = torch.Generator().manual_seed(0)
    user = torch.randint(CITEULIKE.users, (INTERACTIONS,), generator=generator)
    item = torch.randint(CITEULIKE.items, (INTERACTIONS,), generator=generator)
    known = (user * CITEULIKE.items + item).unique()
    user_B = known // CITEULIKE.items
    seen = CSR.from_pairs(user_B, known % CITEULIKE.items, CITEULIKE.users)
    options = {"seed": 0, "epoch": 0}
    timings = interleaved(
        {
            "torch, rejection": lambda: rejecting(user_B, known),
            "twin": lambda: reference.sample_negatives(user_B, seen, CITEULIKE.items, 1, **options),
            "native": lambda: sample_negatives(user_B, seen, CITEULIKE.items, 1, **options),
        }
    )
    return table(f"{user_B.numel()} negatives", timings)


if __name__ == "__main__":
    print(bench() + stamp())
