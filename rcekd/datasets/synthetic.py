"""Generated interactions with structure to learn, at any size, without a table of users × items."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rcekd.datasets.settings import SyntheticSettings

# Exponential weights raised to this power are peaked: a user has a few tastes, an item serves a few.
_PEAK = 4.0
_ROUNDS = 12


def generate(settings: SyntheticSettings) -> pl.DataFrame:
    """Columns user, item (Int64): distinct pairs, each user's in the order drawn; every user and item occurs.

    P(i | u) = Σ_d θ_ud φ_di, a table of rank `dim`. θ_u and the affinities are peaked exponential weights; inside a
    taste, items also weigh rank^-skew. Users' activity follows a Gamma(2) law around density · items, at least 3.
    Repeats are redrawn in rounds, so a very dense user may end a little short. An item that nobody drew is given to
    one user, drawn by the same law from the item's side. Same bytes for the same settings.
    """
    words = np.random.Philox(key=settings.seed)
    theta_UD = _peaked(words, settings.users, settings.dim)
    phi_DI = _peaked(words, settings.dim, settings.items) * _popularity(words, settings)
    pair = _drawn_by_users(words, theta_UD, phi_DI, _activity(words, settings))
    left = np.flatnonzero(np.bincount(pair % settings.items, minlength=settings.items) == 0)
    taker = _draw(words, left, np.cumsum(phi_DI.T, axis=1), np.cumsum(theta_UD.T, axis=1))
    pair = np.concatenate([pair, taker * settings.items + left])
    pair = pair[np.argsort(pair // settings.items, kind="stable")]
    return pl.DataFrame({"user": pair // settings.items, "item": pair % settings.items})


def _drawn_by_users(
    words: np.random.Philox,
    theta_UD: NDArray[np.float64],
    phi_DI: NDArray[np.float64],
    wanted_U: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Distinct pairs, as user · items + item, in the order drawn."""
    users, items = len(theta_UD), phi_DI.shape[1]
    taste_UD, item_DI = np.cumsum(theta_UD, axis=1), np.cumsum(phi_DI, axis=1)
    pair = np.empty(0, dtype=np.int64)
    for _ in range(_ROUNDS):
        held_U = np.bincount(pair // items, minlength=users)
        user = np.repeat(np.arange(users), wanted_U - held_U)
        if not len(user):
            break
        pair = _first_of_each(np.concatenate([pair, user * items + _draw(words, user, taste_UD, item_DI)]))
    return pair


def _uniform(words: np.random.Philox, *shape: int) -> NDArray[np.float64]:
    """Uniform in (0, 1), from raw words: the same for every version of NumPy."""
    raw = words.random_raw(int(np.prod(shape)))
    return ((raw >> np.uint64(11)).astype(np.float64) + 0.5).reshape(shape) * 2.0**-53


def _peaked(words: np.random.Philox, *shape: int) -> NDArray[np.float64]:
    weight: NDArray[np.float64] = (-np.log(_uniform(words, *shape))) ** _PEAK
    return weight


def _popularity(words: np.random.Philox, settings: SyntheticSettings) -> NDArray[np.float64]:
    rank = np.argsort(np.argsort(_uniform(words, settings.items))) + 1
    return rank.astype(np.float64) ** -settings.skew


def _activity(words: np.random.Philox, settings: SyntheticSettings) -> NDArray[np.int64]:
    gamma = -np.log(_uniform(words, 2, settings.users)).sum(axis=0) / 2
    wanted = np.rint(gamma * settings.density * settings.items)
    activity: NDArray[np.int64] = np.clip(wanted, min(3, settings.items), max(settings.items // 2, 1)).astype(np.int64)
    return activity


def _draw(
    words: np.random.Philox, user: NDArray[np.int64], taste_UD: NDArray[np.float64], item_DI: NDArray[np.float64]
) -> NDArray[np.int64]:
    """One item for each entry of `user`, by inverting the two cumulative tables. Users and items may change places."""
    level = _uniform(words, len(user)) * taste_UD[user, -1]
    taste = np.zeros(len(user), dtype=np.int64)
    for column in range(taste_UD.shape[1] - 1):
        taste += level >= taste_UD[user, column]
    level = _uniform(words, len(user))
    item = np.empty(len(user), dtype=np.int64)
    for d in range(item_DI.shape[0]):
        mine = taste == d
        item[mine] = np.searchsorted(item_DI[d], level[mine] * item_DI[d, -1], side="right")
    clipped: NDArray[np.int64] = np.minimum(item, item_DI.shape[1] - 1)
    return clipped


def _first_of_each(pair: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(pair, return_index=True)
    return pair[np.sort(first)]
