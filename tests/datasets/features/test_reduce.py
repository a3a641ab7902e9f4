"""tf-idf by hand, and the truncated decomposition beside numpy's exact one."""

import math

import numpy as np
import polars as pl
import pytest
import torch

from rcekd.datasets.features.reduce import reduced, tfidf, truncated_svd
from rcekd.datasets.features.terms import Terms
from tests.datasets.features.aid import refused


def make_terms(items: int = 60, entries: int = 500) -> Terms:
    terms, generator = 40, np.random.default_rng(0)
    item, term = generator.integers(0, items, entries), generator.integers(0, terms, entries)
    return Terms.of(pl.Series(range(items)), terms, item, term)


def test_tfidf_by_hand() -> None:
    """Three items; term 0 in all, 1 in two, 2 in one, which is too few; item 2 has it twice more."""
    item, term = np.array([0, 1, 2, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 1, 2])
    rows, value_XT = tfidf(Terms.of(pl.Series(["a", "b", "c"]), 3, item, term), least=2)
    common, rare = 1 + math.log(4 / 4), 1 + math.log(4 / 3)
    expected = np.array([[common, rare], [common, (1 + math.log(2)) * rare], [common, 0.0]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert rows.tolist() == [0, 1, 2]
    assert np.allclose(value_XT.to_dense().numpy(), expected)


def test_an_item_without_a_term_left_counts_among_all() -> None:
    """Of four items the last has a rare term alone: that two of four have term 1 is what makes it rarer than term 0."""
    item, term = np.array([0, 1, 2, 0, 1, 3]), np.array([0, 0, 0, 1, 1, 2])
    rows, value_XT = tfidf(Terms.of(pl.Series(["a", "b", "c", "d"]), 3, item, term), least=2)
    common, rare = 1 + math.log(5 / 4), 1 + math.log(5 / 3)
    assert rows.tolist() == [0, 1, 2]
    assert value_XT.to_dense()[0].tolist() == pytest.approx(
        [common / math.hypot(common, rare), rare / math.hypot(common, rare)]
    )


def test_an_item_without_a_term_left_has_no_vector() -> None:
    item, term = np.array([0, 1, 2, 0, 1]), np.array([0, 0, 1, 2, 2])
    table = reduced(Terms.of(pl.Series(["a", "b", "c"]), 3, item, term), 1)
    assert table.item_ids.to_list() == ["a", "b"]


@pytest.mark.parametrize("width", [1, 5, 40])
def test_the_decomposition_is_the_best_one(width: int) -> None:
    """Beside the exact one: the same rows up to signs, so the same inner products."""
    _, value_XT = tfidf(make_terms(), least=1)
    dense = value_XT.to_dense().numpy()
    left, length, _ = np.linalg.svd(dense, full_matrices=False)
    exact = (left * length)[:, :width]
    found = truncated_svd(value_XT, width).numpy()
    assert found.shape == exact.shape
    assert 0.9999 * (exact**2).sum() < (found**2).sum() < (1 + 1e-12) * (exact**2).sum()
    if width != 5:  # between 5 and 6 there is no gap to speak of, so that the space itself is not sharply told
        assert np.allclose(found @ found.T, exact @ exact.T, atol=1e-4)
    assert (np.diff((found**2).sum(0)) <= 1e-9).all()


def test_signs_are_no_chance() -> None:
    _, value_XT = tfidf(make_terms(), least=1)
    found = [truncated_svd(value_XT, 4, seed=seed) for seed in (0, 1)]
    assert torch.allclose(*found, atol=1e-3)
    for column in found[0].T:
        assert column[column.abs().argmax()] > 0


def test_the_same_seed_gives_the_same_bytes_and_leaves_torchs_generator_alone() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = (reduced(make_terms(), 6).value_XF for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(state, torch.get_rng_state())


def test_too_little_for_the_width() -> None:
    message = refused(reduced, make_terms(items=20), 30, where="tags.dat")
    assert "tags.dat: 20 items with" in message
    assert "--width 30; lower it, or --least" in message
    assert "lower --least" in refused(reduced, make_terms(entries=3), 2, least=4)
