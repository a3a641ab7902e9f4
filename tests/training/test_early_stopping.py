"""The best epoch's weights are kept, ties go to the earlier epoch, and patience runs out when it should."""

import torch

from rcekd.training.early_stopping import BestEpoch


def test_the_best_epoch_is_kept() -> None:
    best = BestEpoch()
    weight = torch.zeros(2)
    for epoch, value in enumerate([0.1, 0.3, 0.2, 0.3]):
        weight.fill_(epoch)
        assert best.update(epoch, value, {"w": weight}) == (epoch < 2)
    assert (best.epoch, best.value, best.stale) == (1, 0.3, 2)
    assert best.weights["w"].tolist() == [1.0, 1.0]


def test_the_first_evaluation_counts_even_at_zero() -> None:
    best = BestEpoch()
    assert best.update(0, 0.0, {"w": torch.ones(1)})
    assert best.weights["w"].tolist() == [1.0]


def test_patience() -> None:
    best = BestEpoch()
    exhausted = []
    for epoch, value in enumerate([0.5, 0.1, 0.1, 0.6, 0.1, 0.1, 0.1]):
        best.update(epoch, value, {})
        exhausted.append(best.exhausted(3))
    assert exhausted == [False] * 6 + [True]


def test_patience_zero_never_stops() -> None:
    assert not BestEpoch(stale=10**6).exhausted(0)


def test_the_last_epoch_is_kept_as_it_was() -> None:
    best, weight = BestEpoch(), torch.zeros(1)
    for epoch in range(2):
        weight.fill_(epoch)
        best.keep_last(epoch, {"w": weight})
    weight.fill_(9)
    assert (best.epoch, best.value, best.weights["w"].tolist()) == (1, float("-inf"), [1.0])
