"""An epoch's batches: a pure function of (data, settings, seed, epoch) that covers every interaction once."""

from dataclasses import replace

import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.models import Batch
from rcekd.stopwatch import Stopwatch
from rcekd.streams import stream_seed
from rcekd.training.batches import TrainingPairs
from rcekd.training.settings import TrainSettings

SETTINGS = TrainSettings(batch_size=64, negatives=2)


def epoch(data: Interactions, seed: int, number: int, settings: TrainSettings = SETTINGS) -> list[Batch]:
    return list(TrainingPairs(data).epoch(settings, seed, number, Stopwatch()))


def equal(left: list[Batch], right: list[Batch]) -> bool:
    return all(
        torch.equal(a, b) for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_the_same_again_whatever_happened_in_between(tiny_interactions: Interactions) -> None:
    first = epoch(tiny_interactions, 3, 5)
    torch.manual_seed(99)
    epoch(tiny_interactions, 3, 4)
    assert equal(first, epoch(tiny_interactions, 3, 5))


def test_an_order_drawn_ahead_is_the_order(tiny_interactions: Interactions) -> None:
    """And serves that epoch alone, once."""
    pairs, clock = TrainingPairs(tiny_interactions), Stopwatch()
    pairs.ahead(3, 5)
    for number in (4, 5, 5):
        assert equal(list(pairs.epoch(SETTINGS, 3, number, clock)), epoch(tiny_interactions, 3, number))
        assert equal([pairs.whole(SETTINGS, 3, number, clock)], [whole(tiny_interactions, 3, number)])


def whole(data: Interactions, seed: int, number: int) -> Batch:
    """An epoch's batches one after the other."""
    return Batch(*(torch.cat(columns) for columns in zip(*epoch(data, seed, number), strict=True)))


@pytest.mark.parametrize(("seed", "number"), [(4, 5), (3, 6)])
def test_another_seed_or_epoch_is_another_order_with_other_negatives(
    tiny_interactions: Interactions, seed: int, number: int
) -> None:
    first, other = epoch(tiny_interactions, 3, 5), epoch(tiny_interactions, seed, number)
    assert not torch.equal(first[0].user_B, other[0].user_B)
    assert not torch.equal(torch.cat([b.negative_BN for b in first]), torch.cat([b.negative_BN for b in other]))


def test_every_interaction_occurs_once_with_negatives_that_are_unseen(tiny_interactions: Interactions) -> None:
    data = tiny_interactions
    batches = epoch(data, 0, 0)
    seen = {user: set(row.tolist()) for user, row in enumerate(data.seen.indices.split(data.seen.lengths().tolist()))}
    pairs = [(u, i) for b in batches for u, i in zip(b.user_B.tolist(), b.positive_B.tolist(), strict=True)]
    assert sorted(pairs) == sorted((u, i) for u, row in seen.items() for i in row)
    assert [b.user_B.numel() for b in batches] == [64] * 4 + [44]
    for batch in batches:
        assert batch.negative_BN.shape == (batch.user_B.numel(), 2)
        for user, negatives in zip(batch.user_B.tolist(), batch.negative_BN.tolist(), strict=True):
            assert not seen[user] & set(negatives)


def test_the_batch_size_cuts_the_same_order(tiny_interactions: Interactions) -> None:
    small = epoch(tiny_interactions, 0, 0)
    (whole,) = epoch(tiny_interactions, 0, 0, SETTINGS.model_copy(update={"batch_size": 1000}))
    for column, field in enumerate(whole):
        assert torch.equal(torch.cat([batch[column] for batch in small]), field)


def full_for(data: Interactions, users: set[int]) -> Interactions:
    """Those users have every item in train."""
    rows = [list(range(data.n_items)) if user in users else [0] for user in range(data.n_users)]
    lengths = torch.tensor([0, *map(len, rows)])
    train = CSR(lengths.cumsum(0), torch.tensor([i for row in rows for i in row], dtype=torch.int32))
    return replace(data, train=train)


def test_a_user_who_has_seen_everything_is_passed_over(tiny_interactions: Interactions) -> None:
    batches = epoch(full_for(tiny_interactions, {3, 4}), 0, 0)
    assert {3, 4}.isdisjoint(user for batch in batches for user in batch.user_B.tolist())
    assert sum(batch.user_B.numel() for batch in batches) == 28


def test_nothing_to_learn_from(tiny_interactions: Interactions) -> None:
    with pytest.raises(InputError, match="checkerboard has no training interaction with a possible negative"):
        TrainingPairs(full_for(tiny_interactions, set(range(30))))


def test_steps_counts_the_batches(tiny_interactions: Interactions) -> None:
    assert TrainingPairs(tiny_interactions).steps(SETTINGS) == 5


def test_streams_do_not_meet() -> None:
    seeds = {stream_seed(s, p, e) for s in range(5) for p in ("order", "init") for e in range(20)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)
