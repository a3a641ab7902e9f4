"""Whether two methods differ: paired tests over seeds and users, an interval for the difference, Holm's correction.

Over seeds, the question is whether training again would show the same difference; over users, whether other users of
the same kind would, given the models at hand. Neither answers the other. scipy computes the tests (extra `report`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rcekd.errors import InputError
from rcekd.extras import require

Values = npt.NDArray[np.float64]
LEVEL = 0.05
DRAWS = 2000  # bootstrap samples: an end of a 95 % interval then rests on fifty of them
BATCH_VALUES = 1 << 22  # numbers drawn at once, 32 MiB
ROUNDING = 1e-12  # a spread below this share of the values is what rounding leaves


@dataclass(frozen=True)
class SeedTest:
    """first − second over S paired seeds; None for what S seeds, or seeds that do not vary, cannot tell.

    effect: Cohen's d_z, the mean difference over the standard deviation of the differences.
    """

    n: int
    difference: float
    effect: float | None
    t: float | None
    wilcoxon: float | None


@dataclass(frozen=True)
class UserTest:
    """first − second over U paired users; `interval` is the 95 % bootstrap interval of the mean difference."""

    n: int
    difference: float
    effect: float | None
    t: float | None
    interval: tuple[float, float] | None


def over_seeds(first_S: Sequence[float], second_S: Sequence[float]) -> SeedTest:
    """Paired t-test and Wilcoxon's signed-rank test, two-sided, of metrics paired by seed.

    Raises InputError where the two do not pair.
    """
    difference_S = _differences(first_S, second_S, "seeds")
    mean, effect, t = _mean_effect_t(difference_S, first_S)
    return SeedTest(len(difference_S), mean, effect, t, _wilcoxon(difference_S, first_S))


def over_users(first_U: Values, second_U: Values, *, draws: int = DRAWS, seed: int = 0) -> UserTest:
    """Paired t-test, two-sided, and percentile bootstrap (Efron 1979) of metrics paired by user.

    first_U, second_U: float [U]; NaN stands for a user who is not judged. draws, seed: of the bootstrap.
    Raises InputError where the two do not pair.
    """
    first, second = np.asarray(first_U, np.float64), np.asarray(second_U, np.float64)
    if first.shape == second.shape:
        judged = ~np.isnan(first)
        if not np.array_equal(judged, ~np.isnan(second)):
            raise InputError("cannot pair users: the two were judged on different users; evaluate both the same way")
        first, second = first[judged], second[judged]
    difference_U = _differences(first, second, "users")
    mean, effect, t = _mean_effect_t(difference_U, first)
    return UserTest(len(difference_U), mean, effect, t, _bootstrap(difference_U, draws, seed))


def smallest_wilcoxon(pairs: int) -> float:
    """The least p-value that the two-sided signed-rank test can give with so many pairs."""
    return min(1.0, 2.0 ** (1 - pairs))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for their number (Holm 1979), in the order given; None stays None and does not count."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[place] = highest
    return corrected


def _differences(first: Sequence[float] | Values, second: Sequence[float] | Values, what: str) -> Values:
    first_N, second_N = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first_N.ndim != 1 or first_N.shape != second_N.shape:
        raise InputError(f"cannot pair {what}: {first_N.size} on one side, {second_N.size} on the other")
    if not first_N.size:
        raise InputError(f"cannot pair {what}: there are none")
    if not (np.isfinite(first_N).all() and np.isfinite(second_N).all()):
        raise InputError(f"cannot pair {what}: a value is not finite")
    return first_N - second_N


def _mean_effect_t(difference_N: Values, first_N: Sequence[float] | Values) -> tuple[float, float | None, float | None]:
    """Mean, d_z and the t-test's p-value. Equal on all pairs: no effect, p = 1; a constant difference has neither."""
    mean = float(difference_N.mean())
    if len(difference_N) < 2:
        return mean, None, None
    if not _unequal(difference_N, first_N).any():
        return 0.0, 0.0, 1.0
    spread = float(difference_N.std(ddof=1))
    if spread <= ROUNDING * float(np.abs(first_N).max(initial=abs(mean))):
        return mean, None, None
    p: Any = require("scipy.stats", "report").ttest_1samp(difference_N, 0.0).pvalue
    return mean, mean / spread, float(p)


def _wilcoxon(difference_N: Values, first_N: Sequence[float] | Values) -> float | None:
    """The exact test where scipy has it: few pairs, as seeds are. Pairs equal up to rounding are left out."""
    if len(difference_N) < 2:
        return None
    unequal = difference_N[_unequal(difference_N, first_N)]
    if not unequal.size:
        return 1.0
    return float(require("scipy.stats", "report").wilcoxon(unequal).pvalue)


def _unequal(difference_N: Values, first_N: Sequence[float] | Values) -> npt.NDArray[np.bool_]:
    """Which pairs differ by more than the order of adding can."""
    found: npt.NDArray[np.bool_] = np.abs(difference_N) > ROUNDING * np.abs(first_N).max(initial=0.0)
    return found


def _bootstrap(difference_U: Values, draws: int, seed: int) -> tuple[float, float] | None:
    if len(difference_U) < 2:
        return None
    found = require("scipy.stats", "report").bootstrap(
        (difference_U,),
        np.mean,
        n_resamples=draws,
        batch=max(1, BATCH_VALUES // len(difference_U)),
        confidence_level=1.0 - LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
