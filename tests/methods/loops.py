"""What the tests of list losses share: the losses as loops over one user's float64 scores, and the comparison.

Nothing here is shared with rcekd but the method under test.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from rcekd.methods.base import Method
from tests.methods.scene import Scene

# (teacher's scores [I], student's scores [I], user) → the user's loss
UserLoss = Callable[[Tensor, Tensor, int], Tensor]


def kept(row: Tensor) -> list[int]:
    """A padded row as a list."""
    return [int(entry) for entry in row if entry >= 0]


def plackett_luce(score_I: Tensor, first: Sequence[int], others: Sequence[int]) -> Tensor:
    """−log of the chance that `first` come on top, in order, of themselves and `others`."""
    total = score_I.new_zeros(())
    for place in range(len(first)):
        left = [*first[place:], *others]
        total = total + torch.logsumexp(score_I[left], dim=0) - score_I[first[place]]
    return total


def times(scene: Scene) -> dict[int, int]:
    """How often each user of the batch occurs in it."""
    return Counter(scene.batch.user_B.tolist())


def alike(scene: Scene) -> float:
    """What a distinct user of the batch counts under `weighting: distinct`."""
    return len(scene.batch.user_B) / len(times(scene))


def check(scene: Scene, method: Method, of_user: UserLoss, of_item: UserLoss | None = None, share: float = 0.0) -> None:
    """Value and both gradients of the batch's loss, to 1e-4 of the loops' in float64.

    of_item: an item's loss from the teacher's and student's scores of all users, for the items that it names itself.
    """
    scene.student.zero_grad()
    loss = method.loss(scene.student, scene.batch)
    loss.backward()
    teacher_UI, user_UD, item_ID, student_UI = scene.score_tables()
    expected = torch.zeros((), dtype=torch.float64)
    for user, count in times(scene).items():
        weight = alike(scene) if method._weighting == "distinct" else count
        expected = expected + weight * of_user(teacher_UI[user], student_UI[user], user)
    for item in range(scene.data.n_items) if of_item is not None else ():
        expected = expected + share * alike(scene) * of_item(teacher_UI[:, item], student_UI[:, item], item)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    for found, wanted in ((scene.student.user.grad, user_UD.grad), (scene.student.item.grad, item_ID.grad)):
        dense = found.to_dense() if found.is_sparse else found
        torch.testing.assert_close(dense.double(), wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
