"""RankDistil against its formula in loops, the law of its permutations, and its settings."""

import itertools

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from rcekd.methods.rankdistil import RankDistilSettings, permutations
from tests.methods.lessons import check, chi_square, taught
from tests.methods.oracle import best
from tests.methods.scene import Scene, all_differ


@pytest.mark.parametrize("settings", [{}, {"S": 3}, {"logit_tau": 2.0, "mask": "none"}, {"K": 6}, {"L": 0}], ids=str)
def test_value_and_gradient(scene: Scene, settings: dict[str, object]) -> None:
    chosen = RankDistilSettings.model_validate({"K": 4, "n": 6, "L": 5, **settings})
    method = taught(scene, "rankdistil", **{"K": 4, "n": 6, "L": 5, **settings})
    method.start_epoch(scene.student, 0)
    order_USN, other_UL = method._order_USN.tolist(), method._other_UL.tolist()

    def user_loss(user: int, teacher_I: Tensor, student_I: Tensor) -> Tensor:
        hidden = scene.hidden(user) if chosen.mask == "train" else frozenset()
        pool = best(teacher_I.tolist(), 6, hidden)
        total = torch.zeros((), dtype=torch.float64)
        for order in order_USN[user]:
            ranked = [pool[place] for place in order] + other_UL[user]
            for place in range(chosen.top_k):
                left = student_I[ranked[place:]] / chosen.logit_tau
                total = total + left.exp().sum().log() - left[0]
        return total / chosen.samples

    check(method, scene, user_loss)


def test_permutations_follow_plackett_luce() -> None:
    score = torch.tensor([0.5, -0.7, 1.1])
    drawn = permutations(score.repeat(4000, 1), 5, torch.Generator().manual_seed(1)).long().flatten(0, 1)
    orders = list(itertools.permutations(range(3)))
    chance = []
    for order in orders:
        weight = score[list(order)].exp()
        chance.append(float(weight[0] / weight.sum() * weight[1] / weight[1:].sum()))
    count = torch.tensor([int((drawn == torch.tensor(order)).all(1).sum()) for order in orders])
    assert count.sum() == len(drawn)
    assert chi_square(count, torch.tensor(chance)) < 3.0


def test_padding_is_permuted_last() -> None:
    score = torch.tensor([[1.0, -torch.inf, 0.0, -torch.inf]]).repeat(200, 1)
    drawn = permutations(score, 2, torch.Generator().manual_seed(1))
    assert set(drawn[..., 2:].flatten().tolist()) == {1, 3}


@pytest.mark.parametrize("length", [2**15, 2**15 + 1])
def test_long_lists_are_permuted_whole(length: int) -> None:
    drawn = permutations(torch.zeros(1, length), 1, torch.Generator().manual_seed(1))
    assert torch.equal(drawn.flatten().sort().values.long(), torch.arange(length))
    assert drawn.dtype == (torch.int16 if length == 2**15 else torch.int32)


def test_what_is_drawn(scene: Scene) -> None:
    method = taught(scene, "rankdistil", K=4, n=6, L=5)
    method.start_epoch(scene.student, 0)
    first = method._other_UL.clone(), method._order_USN.clone()
    for user, drawn in enumerate(first[0].tolist()):
        assert not set(drawn) & (scene.hidden(user) | set(method._pool_UN[user].tolist()))
    found = []
    for seed, epoch in ((3, 0), (3, 1), (4, 0)):
        method = taught(scene, "rankdistil", seed=seed, K=4, n=6, L=5)
        method.start_epoch(scene.student, epoch)
        found.append((method._other_UL, method._order_USN))
    assert all(map(torch.equal, first, found[0]))
    assert all(all_differ(drawn) for drawn in zip(*found, strict=True))


def test_a_cold_teacher_keeps_its_order(scene: Scene) -> None:
    method = taught(scene, "rankdistil", K=4, n=6, L=5, tau=1e-4)
    method.start_epoch(scene.student, 0)
    assert torch.equal(method._order_USN.long(), torch.arange(6).expand(30, 1, 6))


def test_a_pool_shorter_than_the_list_is_refused() -> None:
    with pytest.raises(ValidationError, match="n = 5 is shorter than K = 6"):
        RankDistilSettings.model_validate({"K": 6, "n": 5})
