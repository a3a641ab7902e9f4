"""UnKD against its formulas and its authors' grouping written as loops, and the law of its pairs."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor
from torch.nn.functional import logsigmoid

from rcekd.methods.unkd import UnKD, UnKDSettings, popularity_groups, quotas
from tests.methods.loops import check, kept
from tests.methods.oracle import best
from tests.methods.scene import Scene, all_differ

G, N, TAU = 3, 12, 2.0


def make(scene: Scene, epoch: int = 1, **settings: Any) -> UnKD:
    method = scene.method("unkd", **{"G": G, "n": N, "tau": TAU, **settings})
    assert isinstance(method, UnKD)
    method.start_epoch(scene.student, epoch)
    return method


def pairs(method: UnKD, user: int) -> list[tuple[int, int]]:
    assert method._better_UN is not None
    return list(zip(kept(method._better_UN[user]), kept(method._worse_UN[user]), strict=True))


def greedy(count: list[int], groups: int) -> list[list[int]]:
    """Item after item into the open group, in the words of the authors' splitting."""
    order = sorted((i for i in range(len(count)) if count[i]), key=lambda i: (-count[i], i))
    share, found, now = sum(count) / groups, [], []  # type: float, list[list[int]], list[int]
    for item in order:
        now.append(item)
        if sum(count[i] for i in now) > share:
            found.append(now if len(now) == 1 else now[:-1])
            now = [] if len(now) == 1 else [item]
    if now and found and sum(count[i] for i in now) <= share / 2:
        found[-1] += now
    elif now:
        found.append(now)
    return found


@settings(max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40).filter(any), st.integers(1, 6))
def test_groups_are_those_of_the_loop(count: list[int], groups: int) -> None:
    found = popularity_groups(torch.tensor(count), groups)
    assert [group.tolist() for group in found] == greedy(count, groups)


@settings(max_examples=40)
@given(st.lists(st.floats(0.5, 500.0), min_size=1, max_size=6), st.integers(1, 60), st.sampled_from([0.0, 0.5, 1.0]))
def test_quotas(popularity: list[float], n: int, favour: float) -> None:
    found = quotas(popularity, n, favour)
    assert sum(found) >= n
    assert sum(found) <= n + len(found)
    if favour == 0.0:
        assert max(found) - min(found) <= 1


def test_pairs_over_n_stay_as_with_the_authors() -> None:
    assert quotas([9.0, 5.0, 3.0, 1.0], 30, 0.0) == [8, 8, 8, 8]
    assert quotas([9.0, 5.0, 3.0, 1.0], 33, 0.0) == [9, 8, 8, 8]


def test_rarer_groups_get_more_pairs_when_favoured() -> None:
    assert quotas([90.0, 30.0, 10.0], 30, 0.0) == [10, 10, 10]
    assert quotas([90.0, 30.0, 10.0], 30, 1.0) == [3, 12, 15]
    # Shares 0.06, 0.41, 0.53, the least of them raised to 0.1, then the root: 0.316, 0.640, 0.728.
    assert quotas([90.0, 30.0, 10.0], 60, 0.5) == [11, 23, 26]


@pytest.mark.parametrize("case", [{}, {"lamda": 1.0}, {"G": 1}, {"pool": 4}, {"tau": 0.01}], ids=str)
def test_value_and_gradient(scene: Scene, case: dict[str, Any]) -> None:
    method = make(scene, **case)

    def of_user(_: Tensor, student_I: Tensor, user: int) -> Tensor:
        drawn = pairs(method, user)
        return sum((-logsigmoid(student_I[i] - student_I[j]) for i, j in drawn), torch.zeros(())) / len(drawn)

    check(scene, method, of_user)


def test_pairs_stay_in_their_group_and_in_the_teachers_order(uneven_scene: Scene) -> None:
    scene = uneven_scene
    method, teacher_UI = make(scene), scene.score_tables()[0]
    count = torch.bincount(scene.data.train.indices, minlength=scene.data.n_items).tolist()
    groups = greedy(count, G)
    for user in range(scene.data.n_users):
        for better, worse in pairs(method, user):
            assert not {better, worse} & scene.hidden(user)
            assert teacher_UI[user, better] > teacher_UI[user, worse]
            assert any({better, worse} <= {*group} for group in groups)


def test_pairs_are_new_for_every_epoch_and_seed(scene: Scene) -> None:
    found = [make(scene, epoch, seed=seed) for seed, epoch in ((3, 1), (3, 2), (4, 1))]
    assert all_differ([torch.tensor([pairs(method, user) for user in range(30)]) for method in found])


def test_the_law_of_the_pairs(scene: Scene) -> None:
    """One group: two ranks by e^(−r/τ) that do not tie."""
    user, length = 4, 5
    ranked = best(scene.score_tables()[0][user].tolist(), length, scene.hidden(user))
    count = {(a, b): 0 for a in range(length) for b in range(a + 1, length)}
    method = make(scene, G=1, n=40, pool=length)
    trained = set(scene.data.train.indices.tolist())
    assert {*range(scene.data.n_items)} == trained
    for epoch in range(30):
        method.start_epoch(scene.student, epoch)
        for better, worse in pairs(method, user):
            count[ranked.index(better), ranked.index(worse)] += 1
    law = {(a, b): math.exp(-(a + b) / TAU) for a, b in count}
    expected = [sum(count.values()) * value / sum(law.values()) for value in law.values()]
    assert chisquare(list(count.values()), expected).pvalue > 1e-3


def test_a_group_without_two_unseen_items_gives_no_pairs(scene: Scene) -> None:
    method = make(scene, G=1000)
    assert method._better_UN is not None
    assert (method._better_UN == -1).all()
    assert method.loss(scene.student, scene.batch).item() == 0.0


def test_settings() -> None:
    assert UnKDSettings().needs() == {"factors"}
    assert UnKDSettings(lamda=0.5).favour == 0.5
    for wrong in ({"G": 0}, {"n": 0}, {"tau": 0.0}, {"pool": 0}):
        with pytest.raises(ValueError, match="validation error"):
            UnKDSettings.model_validate(wrong)
