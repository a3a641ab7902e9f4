"""The law of the closure pass's draws: against enumeration on small catalogues, successive draws on larger ones.

Many users share one factor row, so that one call gives as many independent draws; the seeds are fixed, so the tests
either always pass or always fail. `high` chooses how many of a user's best items are raced one by one (-1: the core's
own choice); the law must not depend on it.
"""

import itertools

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from rcekd.kernels import closure as _registers_the_operation  # noqa: F401

P_LOWEST = 1e-4
Array = NDArray[np.float64]


def draw(score_I: Tensor, teacher_K: Tensor, users: int, draws: int, tau: float, high: int, *, seed: int = 0) -> Tensor:
    """Draws [users, L] of users who all have these scores."""
    teacher = teacher_K.int().expand(users, -1).contiguous()
    user = torch.arange(users, dtype=torch.int32)
    options = [seed, 7, -1, False, False, True]
    factor = torch.ones(users, 1), score_I[:, None].contiguous()
    return torch.ops.rcekd.closure(*factor, teacher, user, None, None, draws, tau, options, high)[3]


def weights(score_I: Tensor, teacher_K: Tensor, tau: float) -> tuple[Array, Array]:
    """The admissible items and their weights relative to the largest, from the definition."""
    taught = set(teacher_K.tolist())
    best = set(score_I.sort(descending=True, stable=True).indices[: len(taught)].tolist())
    missing = [float(score_I[t]) for t in taught - best]
    item = np.array([i for i in range(len(score_I)) if i not in taught])
    z = np.array([sum(s < float(score_I[i]) for s in missing) for i in item])
    return item, np.exp((z - z.max()) / tau)


def sequence_probabilities(item: Array, weight: Array, draws: int) -> dict[tuple[int, ...], float]:
    """Of every ordered outcome of successive draws."""
    law = {}
    for order in itertools.permutations(range(len(item)), draws):
        left, p = weight.sum(), 1.0
        for i in order:
            p, left = p * weight[i] / left, left - weight[i]
        law[tuple(int(item[i]) for i in order)] = p
    return law


def chi_square_p(count: Array, expected: Array) -> float:
    """P of a fit, cells expecting fewer than five pooled; impossible cells must be empty."""
    rare = expected < 5
    count = np.append(count[~rare], count[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    if expected[-1] < 1:  # too little to test: what falls there must be next to nothing
        assert count[-1] <= 6
        count, expected = count[:-1], expected[:-1]
    if len(count) < 2:
        return 1.0
    return float(stats.chi2.sf(((count - expected) ** 2 / expected).sum(), len(count) - 1))


SMALL = {
    # scores, the teacher's items: how many the student misses sets the pattern of z
    "nothing missed": ([5.0, 4.0, 3.0, 2.0, 1.0, 0.0], [0, 1]),
    "all missed, lowest": ([5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.2, 0.0], [6, 7]),
    "all missed, spread": ([5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.2, 0.0], [3, 5, 7]),
    "half missed": ([5.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.2, 0.0], [0, 4]),
    "ties with what is missed": ([3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0], [3, 6]),
    "one score for all": ([1.0] * 7, [5, 6]),
    "negative": ([-1.0, -2.0, -3.0, -4.0, -5.0, -6.0], [4, 5]),
}


@pytest.mark.parametrize("high", [-1, 2, 3, 5])
@pytest.mark.parametrize("tau", [0.5, 1.0, 10.0])
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_ordered_draws_follow_enumeration(case: str, tau: float, high: int) -> None:
    score_I, teacher_K = torch.tensor(SMALL[case][0]), torch.tensor(SMALL[case][1])
    users, draws = 20_000, 3
    item, weight = weights(score_I, teacher_K, tau)
    law = sequence_probabilities(item, weight, draws)
    drawn = draw(score_I, teacher_K, users, draws, tau, high)
    index = {order: n for n, order in enumerate(law)}
    count = np.bincount([index[tuple(row)] for row in drawn.tolist()], minlength=len(law)).astype(float)
    probability = np.array(list(law.values()))
    assert chi_square_p(count, users * probability) > P_LOWEST

    # The same outcomes as inclusion and pair probabilities, each a binomial.
    inside = np.array([[i in order for i in item] for order in law], dtype=float)
    expected_pairs = inside.T @ (probability[:, None] * inside)
    pairs = inside.T @ (count[:, None] * inside) / users
    deviation = np.sqrt(np.maximum(expected_pairs * (1 - expected_pairs), 1e-12) / users)
    assert np.abs((pairs - expected_pairs) / deviation).max() < 4.8


@pytest.mark.parametrize("high", [-1, 2, 6])
@pytest.mark.parametrize("draws", [6, 9])
def test_when_few_are_left_all_are_drawn(draws: int, high: int) -> None:
    score_I, teacher_K = torch.tensor(SMALL["all missed, lowest"][0]), torch.tensor([6, 7])
    drawn = draw(score_I, teacher_K, 500, draws, 0.3, high)
    assert torch.equal(drawn[:, :6].sort(1).values, torch.arange(6, dtype=torch.int32).expand(500, -1))
    assert bool((drawn[:, 6:] == -1).all())


def successive_draws(item: Array, weight: Array, users: int, draws: int, seed: int) -> Array:
    """One after the other, each from the normalised weights of what is left: the definition, in double precision."""
    generator = np.random.default_rng(seed)
    left = np.tile(weight, (users, 1))
    out = np.empty((users, draws), dtype=np.int64)
    row = np.arange(users)
    for j in range(draws):
        edge = left.cumsum(1)
        chosen = (edge > generator.random((users, 1)) * edge[:, -1:]).argmax(1)
        out[:, j], left[row, chosen] = item[chosen], 0.0
    return out


def two_sample_p(a: Array, b: Array) -> float:
    """P that two equally large samples of ids come from one law; rare ids pooled."""
    bins = int(max(a.max(), b.max())) + 1
    both = np.stack([np.bincount(a, minlength=bins), np.bincount(b, minlength=bins)]).astype(float)
    rare = both.sum(0) < 10
    both = np.column_stack([both[:, ~rare], both[:, rare].sum(1)])
    return float(stats.chi2_contingency(both[:, both.sum(0) > 0]).pvalue)


@pytest.mark.parametrize("high", [-1, 12, 20, 60, 150, 300])
@pytest.mark.parametrize("tau", [0.7, 3.0])
def test_large_catalogue_follows_successive_draws(tau: float, high: int) -> None:
    generator = torch.Generator().manual_seed(1)
    score_I = torch.randn(300, generator=generator)
    teacher_K = torch.randperm(300, generator=generator)[:12]
    users, draws = 6_000, 10
    item, weight = weights(score_I, teacher_K, tau)
    expected = successive_draws(item, weight, users, draws, seed=2)
    found = draw(score_I, teacher_K, users, draws, tau, high, seed=3).numpy()
    for j in (0, 4, 9):
        assert two_sample_p(found[:, j], expected[:, j]) > P_LOWEST
    # Pairs: the first with the last draw, in coarse cells of the ranking.
    cell = (-score_I).argsort().argsort().numpy() // 40
    assert (
        two_sample_p(cell[found[:, 0]] * 8 + cell[found[:, 9]], cell[expected[:, 0]] * 8 + cell[expected[:, 9]])
        > P_LOWEST
    )


@pytest.mark.parametrize("missed", [0, 8, 40], ids="missed {}".format)
def test_piloted_catalogue_follows_successive_draws(missed: int) -> None:
    """Large enough for the core to guess a threshold and leave most items unenumerated."""
    generator = torch.Generator().manual_seed(4)
    score_I = torch.randn(4_000, generator=generator)
    best = score_I.sort(descending=True).indices
    teacher_K = torch.cat([best[: 40 - missed], best[60 : 60 + 25 * missed : 25]])
    users, draws, tau = 2_000, 20, 4.0
    item, weight = weights(score_I, teacher_K, tau)
    expected = successive_draws(item, weight, users, draws, seed=5)
    found = draw(score_I, teacher_K, users, draws, tau, -1, seed=6).numpy()
    cell = (-score_I).argsort().argsort().numpy() // 25
    for j in (0, 7, 19):
        assert two_sample_p(cell[found[:, j]], cell[expected[:, j]]) > P_LOWEST
    assert all(len(set(row)) == draws for row in found.tolist())


def test_draws_of_different_users_and_epochs_are_unrelated() -> None:
    score_I, teacher_K = torch.zeros(10), torch.tensor([8, 9])
    drawn = draw(score_I, teacher_K, 20_000, 1, 1.0, -1)[:, 0].numpy()
    assert two_sample_p(drawn[:-1:2] * 8 + drawn[1::2], np.random.default_rng(0).integers(0, 64, 10_000)) > P_LOWEST
    again = draw(score_I, teacher_K, 20_000, 1, 1.0, -1, seed=1)[:, 0].numpy()
    assert abs(float((drawn == again).mean()) - 1 / 8) < 0.012
