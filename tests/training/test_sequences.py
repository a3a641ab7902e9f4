"""Batches of whole users: a pure function of (data, settings, seed, epoch) in which every user occurs once."""

from dataclasses import replace

import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.kernels.negatives import sample_negatives
from rcekd.models import Batch
from rcekd.stopwatch import Stopwatch
from rcekd.training.batches import TrainingPairs, training_batches
from rcekd.training.sequences import POOL_BATCHES, TrainingSequences
from rcekd.training.settings import TrainSettings

SETTINGS = TrainSettings(batch_size=32, negatives=2)


def uneven(data: Interactions, lengths: list[int]) -> Interactions:
    """The same users with so many training items, 0, 2, 4, … or 1, 3, 5, … in that order."""
    rows = [[2 * i + user % 2 for i in range(length)] for user, length in enumerate(lengths)]
    indptr = torch.tensor([0, *lengths]).cumsum(0)
    return replace(data, train=CSR(indptr, torch.tensor([i for row in rows for i in row], dtype=torch.int32)))


@pytest.fixture
def data(tiny_interactions: Interactions) -> Interactions:
    """30 users with 0 to 19 training items; the first, the last and some between have none."""
    return uneven(tiny_interactions, [(7 * user) % 20 if user % 11 else 0 for user in range(29)] + [0])


def epoch(data: Interactions, window: int, seed: int, number: int, settings: TrainSettings = SETTINGS) -> list[Batch]:
    return list(TrainingSequences(data, window).epoch(settings, seed, number, Stopwatch()))


def equal(left: list[Batch], right: list[Batch]) -> bool:
    return len(left) == len(right) and all(
        torch.equal(a, b) for one, other in zip(left, right, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_a_window_chooses_whole_users(data: Interactions) -> None:
    assert isinstance(training_batches(data, None), TrainingPairs)
    assert isinstance(training_batches(data, 5), TrainingSequences)


@pytest.mark.parametrize("window", [1, 6, 50])
def test_every_user_occurs_once_with_the_last_interactions_in_order(data: Interactions, window: int) -> None:
    rows = data.train.indices.split(data.train.lengths().tolist())
    met: list[int] = []
    for batch in epoch(data, window, 0, 0):
        users, counts = torch.unique_consecutive(batch.user_B, return_counts=True)
        for user, items in zip(users.tolist(), batch.positive_B.split(counts.tolist()), strict=True):
            met.append(user)
            assert torch.equal(items, rows[user][-window:])
    assert sorted(met) == [user for user, row in enumerate(rows) if row.numel()]


def test_negatives_are_unseen(data: Interactions) -> None:
    rows = data.train.indices.split(data.train.lengths().tolist())
    for batch in epoch(data, 6, 0, 0):
        assert batch.negative_BN.shape == (batch.user_B.numel(), 2)
        for user, negatives in zip(batch.user_B.tolist(), batch.negative_BN.tolist(), strict=True):
            assert not set(rows[user].tolist()) & set(negatives)


def test_negatives_are_one_draw_for_the_whole_epoch(data: Interactions) -> None:
    """Not the same numbers for every batch."""
    batches = epoch(data, 6, 4, 2)
    assert len(batches) > 1
    user_P = torch.cat([batch.user_B for batch in batches])
    at_once = sample_negatives(user_P, data.seen, data.n_items, 2, seed=4, epoch=2)
    assert torch.equal(torch.cat([batch.negative_BN for batch in batches]), at_once)


@pytest.mark.parametrize("batch_size", [1, 5, 32, 1000])
@pytest.mark.parametrize("window", [3, 50])
def test_steps_and_length_are_what_an_epoch_has(data: Interactions, window: int, batch_size: int) -> None:
    sequences, settings = TrainingSequences(data, window), SETTINGS.model_copy(update={"batch_size": batch_size})
    size = max(batch_size, min(window, 19))
    for number in range(5):
        sizes = [batch.user_B.numel() for batch in sequences.epoch(settings, 0, number, Stopwatch())]
        assert len(sizes) == sequences.steps(settings) == -(-sum(sizes) // size)
        assert sum(sizes) == len(sequences) == int(data.train.lengths().clamp(max=window).sum())
        assert all(0 < found < 2 * size for found in sizes)


def test_the_same_again_whatever_happened_in_between(data: Interactions) -> None:
    first = epoch(data, 6, 3, 5)
    torch.manual_seed(99)
    epoch(data, 6, 3, 4)
    assert equal(first, epoch(data, 6, 3, 5))
    assert not equal(first, epoch(data, 6, 4, 5))
    assert not equal(first, epoch(data, 6, 3, 6))


def test_a_batch_holds_users_of_similar_length_and_others_every_epoch(tiny_interactions: Interactions) -> None:
    users = 4000
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 38, (users,), generator=generator)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    items = torch.arange(int(indptr[-1])) - indptr[:-1].repeat_interleave(lengths)
    none = CSR(torch.zeros(users + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int32))
    train = CSR(indptr, items.to(torch.int32))
    data = replace(tiny_interactions, n_users=users, train=train, valid=none, test=none)
    sequences, settings = TrainingSequences(data, 50), SETTINGS.model_copy(update={"batch_size": 512})
    padded, mates, order, spread = 0, [], [], 0.0
    for number in range(2):
        cut = sequences.cut(settings, 0, number)
        groups = cut.user_V.split(torch.bincount(cut.batch_V).tolist())
        padded = sum(int(lengths[group].max()) * group.numel() for group in groups)
        assert padded < 1.25 * len(sequences)
        spread = sum(int(lengths[group].max() - lengths[group].min()) for group in groups) / len(groups)
        mates.append({frozenset(group.tolist()) for group in groups})
        order.append([float(lengths[group].float().mean()) for group in groups])
    assert not mates[0] & mates[1]
    assert spread > 3, "sorted within pools alone, so that a batch is not of one length"
    rising = sum(a <= b for a, b in zip(order[0], order[0][1:], strict=False)) / (len(order[0]) - 1)
    assert 0.3 < rising < 0.7, "long and short batches alternate at random"
    assert len(order[0]) > 4 * POOL_BATCHES


def test_a_user_who_has_seen_everything_is_passed_over(data: Interactions) -> None:
    lengths = data.train.lengths().tolist()
    lengths[3] = 20
    full = uneven(data, lengths)
    everything = torch.cat([full.train.indices[: int(full.train.indptr[3])], torch.arange(40, dtype=torch.int32)])
    rest = full.train.indices[int(full.train.indptr[4]) :]
    indptr = full.train.indptr + torch.where(torch.arange(31) > 3, 20, 0)
    full = replace(full, train=CSR(indptr, torch.cat([everything, rest])))
    assert all((batch.user_B != 3).all() for batch in epoch(full, 6, 0, 0))
    lonely = replace(full, train=CSR(torch.where(torch.arange(31) > 3, 40, 0), torch.arange(40, dtype=torch.int32)))
    with pytest.raises(InputError, match="has no training interaction with a possible negative"):
        TrainingSequences(lonely, 6)
