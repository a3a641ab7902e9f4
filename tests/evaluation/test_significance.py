"""Significance, against worked examples, scipy's own paired functions, exact enumeration and simulated null data."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcekd.errors import InputError
from rcekd.evaluation.significance import holm, over_seeds, over_users, smallest_wilcoxon

stats = pytest.importorskip("scipy.stats")
FIRST, SECOND = [0.31, 0.29, 0.30, 0.33, 0.32], [0.28, 0.29, 0.27, 0.29, 0.26]


def test_holm_on_a_worked_example() -> None:
    """0.005·4, 0.01·3, 0.03·2, and 0.04·1, which may not fall below the 0.06 before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_skips_what_is_not_known_and_stops_at_one() -> None:
    assert holm([None, 0.6, 0.5, None]) == [None, 1.0, 1.0, None]
    assert holm([None, 0.3, 0.02, None]) == [None, 0.3, 0.04, None]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_the_raw_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for p, fixed in zip(p_values, corrected, strict=True):
        assert fixed is not None
        assert p <= fixed <= min(1.0, p * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(corrected, float)[order]) >= 0)


def test_over_seeds_by_hand() -> None:
    """Differences 3, 0, 3, 4, 6 hundredths: mean 3.2, variance (0.04 + 10.24 + 0.04 + 0.64 + 7.84) / 4 = 4.7."""
    found = over_seeds(FIRST, SECOND)
    assert (found.n, found.difference) == (5, pytest.approx(0.032))
    assert found.effect == pytest.approx(3.2 / 4.7**0.5)
    assert found.t == pytest.approx(stats.ttest_rel(FIRST, SECOND).pvalue)
    assert found.t == pytest.approx(2 * stats.t.sf(3.2 / (4.7 / 5) ** 0.5, df=4))


def signed_rank_by_enumeration(differences: list[float]) -> float:
    """Wilcoxon's p-value from all 2^n signs, for differences without ties."""
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    total = ranks.sum()
    seen = min(ranks[np.array(differences) > 0].sum(), ranks[np.array(differences) < 0].sum())
    least = [min(plus := int(np.dot(signs, ranks)), total - plus) for signs in product([0, 1], repeat=len(ranks))]
    return float(np.mean(np.array(least) <= seen))


@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_by_enumeration(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.4, 1.0, size=4 + seed)
    found = over_seeds(list(differences), [0.0] * len(differences))
    assert found.wilcoxon == pytest.approx(signed_rank_by_enumeration(list(differences)))


@pytest.mark.parametrize("pairs", range(2, 9))
def test_wilcoxon_reaches_its_least_value_where_all_differences_point_one_way(pairs: int) -> None:
    found = over_seeds([1.0 + 0.1 * n for n in range(pairs)], [0.5] * pairs)
    assert found.wilcoxon == pytest.approx(smallest_wilcoxon(pairs))
    assert (smallest_wilcoxon(pairs) < 0.05) == (pairs >= 6)


def test_one_seed_tells_the_difference_and_no_more() -> None:
    found = over_seeds([0.3], [0.2])
    assert (found.n, found.difference) == (1, pytest.approx(0.1))
    assert (found.effect, found.t, found.wilcoxon) == (None, None, None)


def test_identical_values_do_not_differ() -> None:
    found = over_seeds(FIRST, FIRST)
    assert (found.difference, found.effect, found.t, found.wilcoxon) == (0.0, 0.0, 1.0, 1.0)
    values = np.array([0.0, 0.5, 1.0])
    users = over_users(values, values)
    assert (users.difference, users.effect, users.t, users.interval) == (0.0, 0.0, 1.0, (0.0, 0.0))


def test_values_that_differ_by_rounding_do_not_differ() -> None:
    first = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    second = [float(np.nextafter(value, 0.0)) for value in first]
    found = over_seeds(first, second)
    assert (found.t, found.wilcoxon, found.effect) == (1.0, 1.0, 0.0)


def test_a_constant_difference_has_no_t_test() -> None:
    """Rounding makes its spread 1e-17 and not 0: a t of 1e15 would be a figment."""
    found = over_seeds([value + 0.1 for value in FIRST], FIRST)
    assert found.difference == pytest.approx(0.1)
    assert (found.effect, found.t) == (None, None)
    assert found.wilcoxon is not None


def test_over_users_agrees_with_scipy() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.random(400), generator.random(400) * 0.9
    found = over_users(first, second, seed=5)
    assert found.t == pytest.approx(stats.ttest_rel(first, second).pvalue)
    low, high = found.interval or (0.0, 0.0)
    centre, half = found.difference, 1.96 * np.std(first - second, ddof=1) / 20
    assert (low, high) == (pytest.approx(centre - half, abs=0.1 * half), pytest.approx(centre + half, abs=0.1 * half))
    assert over_users(first, second, seed=5) == found, "a seed gives the same interval again"
    assert over_users(first, second, seed=6).interval != found.interval
    assert over_users(first, second, seed=5, draws=50).interval != found.interval


def test_users_that_are_not_judged_are_left_out() -> None:
    first, second = np.array([0.2, np.nan, 0.6, 0.1]), np.array([0.1, np.nan, 0.3, 0.3])
    assert over_users(first, second) == over_users(first[[0, 2, 3]], second[[0, 2, 3]])
    with pytest.raises(InputError, match="judged on different users"):
        over_users(first, second[[1, 0, 2, 3]])


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ([0.1, 0.2], [0.1], "cannot pair seeds: 2 on one side, 1 on the other"),
        ([], [], "there are none"),
        ([0.1, float("nan")], [0.1, 0.2], "not finite"),
    ],
)
def test_what_does_not_pair_is_refused(first: list[float], second: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        over_seeds(first, second)
    if "nan" not in str(first):
        with pytest.raises(InputError, match=says.replace("seeds", "users")):
            over_users(np.array(first), np.array(second))


# --- what the tests are for: at 5 %, one experiment in twenty without a difference is called one --------------------


def share_below(p_values: list[float | None]) -> float:
    return float(np.mean([p is not None and p < 0.05 for p in p_values]))


def test_error_rate_over_seeds() -> None:
    """600 null experiments: ± 3 standard errors of a share of 0.05 is ± 0.027. Wilcoxon with 8 pairs gives 0.039."""
    generator = np.random.default_rng(11)
    shared = generator.normal(0.0, 3.0, size=(600, 8))  # what both sides owe to the seed
    first, second = (shared + generator.normal(size=shared.shape) for _ in range(2))
    found = [over_seeds(list(one), list(other)) for one, other in zip(first, second, strict=True)]
    assert share_below([test.t for test in found]) == pytest.approx(0.05, abs=0.027)
    attainable = sum(np.array([signs_sum(8)]).ravel() <= 3) / 2**8
    assert share_below([test.wilcoxon for test in found]) == pytest.approx(attainable, abs=0.027)


def signs_sum(pairs: int) -> list[int]:
    """The lesser rank sum for each of the 2^n signs: the null distribution of the signed-rank statistic."""
    ranks = np.arange(1, pairs + 1)
    sums = [int(np.dot(signs, ranks)) for signs in product([0, 1], repeat=pairs)]
    return [min(plus, int(ranks.sum()) - plus) for plus in sums]


def test_error_rate_and_cover_over_users() -> None:
    """Recommendation-like values: most users 0 on both sides, the rest skewed and correlated."""
    generator = np.random.default_rng(12)
    found = []
    for _ in range(400):
        hit = generator.random(500) < 0.2
        common = generator.exponential(0.3, 500)
        first, second = (np.where(hit, common + generator.exponential(0.2, 500), 0.0) for _ in range(2))
        found.append(over_users(first, second, draws=300))
    assert share_below([test.t for test in found]) == pytest.approx(0.05, abs=0.033)
    covered = [test.interval is not None and test.interval[0] <= 0 <= test.interval[1] for test in found]
    assert float(np.mean(covered)) == pytest.approx(0.95, abs=0.033)


def test_a_real_difference_is_found() -> None:
    generator = np.random.default_rng(13)
    second = generator.normal(size=(60, 5))
    first = second + 2.0 + generator.normal(scale=0.7, size=second.shape)
    assert share_below([over_seeds(list(a), list(b)).t for a, b in zip(first, second, strict=True)]) > 0.9
