"""The log-sum-exp over all items but some, against dense autograd, in blocks of every size."""

import pytest
import torch
from torch import Tensor

import rcekd.kernels.rest_log_sum as kernel
from rcekd.kernels.csr import CSR
from rcekd.kernels.rest_log_sum import rest_log_sum

USERS, ITEMS = 6, 9


def make() -> tuple[Tensor, Tensor, CSR]:
    generator = torch.Generator().manual_seed(3)
    user, item = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (USERS, ITEMS))
    rows = [[0, 3], [], [8], list(range(9)), [4, 5, 6, 4], [1]]
    lengths = torch.tensor([0, *map(len, rows)])
    return user, item, CSR(lengths.cumsum(0), torch.tensor([i for row in rows for i in row], dtype=torch.int32))


def dense(user_RD: Tensor, item_ID: Tensor, user_R: Tensor, left_out: CSR) -> Tensor:
    score_RI = user_RD @ item_ID.T
    hidden = torch.zeros(score_RI.shape, dtype=torch.bool)
    for row, user in enumerate(user_R.tolist()):
        hidden[row, left_out.indices[left_out.indptr[user] : left_out.indptr[user + 1]].long()] = True
    return score_RI.masked_fill(hidden, -torch.inf).logsumexp(1)


@pytest.mark.parametrize("block_bytes", [1, 3 * ITEMS * 8, 16 << 20])
def test_value_and_gradient(monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr(kernel, "BLOCK_BYTES", block_bytes)
    user_UD, item_ID, left_out = make()
    user_R = torch.tensor([5, 0, 2, 4, 1, 0])
    user_RD = user_UD[user_R].requires_grad_()
    item_ID.requires_grad_()
    torch.testing.assert_close(
        rest_log_sum(user_RD, item_ID, user_R, left_out), dense(user_RD, item_ID, user_R, left_out)
    )
    assert torch.autograd.gradcheck(lambda u, i: rest_log_sum(u, i, user_R, left_out), (user_RD, item_ID))


def test_where_nothing_is_left() -> None:
    user_UD, item_ID, left_out = make()
    user_RD, item_ID = user_UD[3:4].requires_grad_(), item_ID.requires_grad_()
    found = rest_log_sum(user_RD, item_ID, torch.tensor([3]), left_out)
    assert found.item() == -torch.inf
    torch.logaddexp(found, torch.zeros(1, dtype=torch.float64)).sum().backward()
    assert user_RD.grad is not None
    assert not user_RD.grad.any()


def test_large_scores_and_no_rows() -> None:
    user, item, nothing = (
        torch.full((1, 1), 300.0),
        torch.tensor([[1.0], [-1.0]]),
        CSR(torch.zeros(2).long(), torch.zeros(0).int()),
    )
    assert rest_log_sum(user, item, torch.tensor([0]), nothing).item() == 300.0
    assert rest_log_sum(user[:0], item, torch.tensor([], dtype=torch.int64), nothing).shape == (0,)
    with pytest.raises(ValueError, match="user_RD has 1 rows"):
        rest_log_sum(user, item, torch.tensor([0, 0]), nothing)
