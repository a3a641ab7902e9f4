"""Core filters: drop users and items that occur too rarely."""

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]


def core_mask(user: Codes, item: Codes, user_core: int, item_core: int, *, iterated: bool) -> NDArray[np.bool_]:
    """Which of the pairs (user[n], item[n]) stay, so that a user has `user_core` of them and an item `item_core`.

    One pass judges users and items at once, by their counts in the whole input, so that an item's going can leave a
    user below the mark; `iterated` repeats until nothing more goes. Repeated pairs count as often as they occur.
    """
    keep = np.ones(len(user), dtype=np.bool_)
    while keep.any():
        rows = np.flatnonzero(keep)
        stays = _often(user[rows], user_core) & _often(item[rows], item_core)
        keep[rows] = stays
        if not iterated or stays.all():
            break
    return keep


def _often(codes: Codes, least: int) -> NDArray[np.bool_]:
    stays: NDArray[np.bool_] = (np.bincount(codes) >= least)[codes]
    return stays
