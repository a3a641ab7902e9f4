"""The generated dataset: exact size, stable bytes, structure worth learning."""

import numpy as np
import pytest

from rcekd.datasets import SyntheticSettings
from rcekd.datasets.synthetic import generate


def test_same_settings_give_the_same_table() -> None:
    assert generate(SyntheticSettings()).equals(generate(SyntheticSettings()))
    assert not generate(SyntheticSettings()).equals(generate(SyntheticSettings(seed=1)))


@pytest.mark.parametrize("shape", [(1, 2), (3, 50), (50, 3), (400, 1500)])
@pytest.mark.parametrize("density", [0.001, 0.02, 0.5])
@pytest.mark.parametrize("dim", [1, 7])
def test_every_user_and_item_occurs_once_a_pair(shape: tuple[int, int], density: float, dim: int) -> None:
    users, items = shape
    table = generate(SyntheticSettings(users=users, items=items, density=density, dim=dim))
    assert table["user"].unique().sort().to_list() == list(range(users))
    assert table["item"].unique().sort().to_list() == list(range(items))
    assert table.n_unique() == len(table)


def test_density_is_near_what_was_asked() -> None:
    table = generate(SyntheticSettings(users=2000, items=1000, density=0.05))
    assert len(table) == pytest.approx(0.05 * 2000 * 1000, rel=0.05)


@pytest.mark.parametrize(("skew", "low", "high"), [(0.0, 0.10, 0.35), (1.5, 0.6, 1.0)])
def test_skew_concentrates_interactions(skew: float, low: float, high: float) -> None:
    table = generate(SyntheticSettings(density=0.01, dim=64, skew=skew))
    count = table.group_by("item").len()["len"].sort(descending=True)
    assert low < count[: len(count) // 10].sum() / count.sum() < high


def test_users_of_a_taste_share_items() -> None:
    """Of each user's items half is shown. What neighbours in taste hold finds the other half better than popularity."""
    table = generate(SyntheticSettings())
    shown = np.zeros((1000, 2000))
    hidden = np.zeros((1000, 2000))
    for row, (user, item) in enumerate(table.iter_rows()):
        (shown if row % 2 else hidden)[user, item] = 1.0
    popularity = shown.sum(0)
    likeness = shown.T @ shown / np.sqrt(np.outer(popularity, popularity) + 1e-9)
    np.fill_diagonal(likeness, 0.0)
    unseen = shown == 0
    popular = _auc(np.broadcast_to(popularity, shown.shape), hidden, unseen)
    assert _auc(shown @ likeness, hidden, unseen) > popular + 0.03


def _auc(score: np.ndarray, truth: np.ndarray, among: np.ndarray) -> float:
    order = np.argsort(np.argsort(score[among]))
    positive = truth[among] == 1
    count = int(positive.sum())
    above = order[positive].sum() - count * (count - 1) / 2
    return float(above / (count * (len(order) - count)))
