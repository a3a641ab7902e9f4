"""The rows of a batch over lists of its users, against the twin and against a loop."""

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.batch_rows import batch_rows


def given(batch: int, users: int = 9, lists: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(batch)
    user_B = torch.randint(users, (batch,), generator=generator, dtype=torch.int32)
    return user_B, torch.randn(lists, users, generator=generator), torch.rand(users, generator=generator)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("batch", [0, 1, 2, 40])
def test_equals_twin(batch: int, shared: bool) -> None:
    user_B, scale_GU, share_U = given(batch)
    asked = (user_B, scale_GU, share_U if shared else None)
    for found, expected in zip(batch_rows(*asked), reference.batch_rows(*asked), strict=True):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


def test_a_user_counts_once_in_every_list_with_the_weight_of_all_interactions() -> None:
    user_B, scale_GU, share_U = given(40)
    user_R, set_R, weight_R = (column.view(3, 40) for column in batch_rows(user_B, scale_GU, share_U))
    for g in range(3):
        assert user_R[g].tolist() == sorted(user_B.tolist())
        assert torch.equal(set_R[g], g * 9 + user_R[g])
        for user in set(user_B.tolist()):
            mine = weight_R[g][user_R[g] == user]
            assert mine[0] == int((user_B == user).sum()) * share_U[user] * scale_GU[g, user]
            assert not mine[1:].any()


def test_int64_ids_and_float64_are_taken() -> None:
    user_B, scale_GU, share_U = given(20)
    exact = batch_rows(user_B.long(), scale_GU.double(), share_U.double())
    assert [column.dtype for column in exact] == [torch.int32, torch.int32, torch.float64]
    torch.testing.assert_close(exact[2].float(), batch_rows(user_B, scale_GU, share_U)[2])


def test_misuse() -> None:
    user_B, scale_GU, share_U = given(20)
    with pytest.raises(ValueError, match=r"user_B must lie in \[0, 9\)"):
        batch_rows(user_B + 5, scale_GU)
    with pytest.raises(ValueError, match="user_B must have one dimension"):
        batch_rows(user_B[None], scale_GU)
    with pytest.raises(ValueError, match="share_U must have shape"):
        batch_rows(user_B, scale_GU, share_U[1:])
    with pytest.raises(TypeError, match="must share a dtype"):
        batch_rows(user_B, scale_GU, share_U.double())
    with pytest.raises(TypeError, match="floating point"):
        batch_rows(user_B, scale_GU.long())
