"""The native log-sum-exp over all items but some, with its gradients, against the twin; the twin against autograd."""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.csr import CSR
from rcekd.kernels.rest_log_sum import rest_log_sum
from rcekd.work import counting

LogSum = Callable[[Tensor, Tensor, Tensor, CSR], Tensor]


class Case(NamedTuple):
    """Inputs of one call: factors by user, the rows' users, what they leave out."""

    user_UD: Tensor
    item_ID: Tensor
    user_R: Tensor
    left_out: CSR

    def double(self) -> "Case":
        return self._replace(user_UD=self.user_UD.double(), item_ID=self.item_ID.double())


# users, items, width, rows: around the sizes of lanes, panels, chunks and column blocks
SHAPES = [
    (1, 1, 1, 1),
    (3, 5, 3, 7),
    (9, 95, 20, 33),
    (40, 97, 13, 97),
    (30, 333, 50, 200),
    (7, 600, 64, 16),
    (11, 193, 131, 31),
]


def make(shape: tuple[int, ...], *, scale: float = 1.0, seed: int = 0) -> Case:
    users, items, width, rows = shape
    generator = torch.Generator().manual_seed(seed)
    user = scale * torch.randn(users, width, generator=generator) / width**0.25
    item = scale * torch.randn(items, width, generator=generator) / width**0.25
    # Row u leaves out each item with a chance of its own, the first nothing where there are others.
    chance_U1 = torch.arange(users)[:, None] / users * 0.9
    row, column = (torch.rand(users, items, generator=generator) < chance_U1).nonzero().T
    user_R = torch.randint(users, (rows,), generator=generator)
    return Case(user, item, user_R, CSR.from_pairs(row, column, users))


def gradients(log_sum: LogSum, case: Case) -> list[Tensor]:
    """The sums, and the gradients of both tables for unequal gradients of the rows; rows of nothing have none."""
    user_UD, item_ID = case.user_UD.clone().requires_grad_(), case.item_ID.clone().requires_grad_()
    sum_R = log_sum(user_UD[case.user_R], item_ID, case.user_R, case.left_out)
    weight_R = torch.linspace(-1.0, 2.0, sum_R.numel(), dtype=sum_R.dtype)
    sum_R.backward(weight_R)  # type: ignore[no-untyped-call]
    assert user_UD.grad is not None
    assert item_ID.grad is not None
    return [sum_R.detach(), user_UD.grad, item_ID.grad]


def compare(check: Callable[[Tensor, Tensor, Tensor], None], case: Case) -> None:
    found = gradients(rest_log_sum, case)
    plain, exact = gradients(reference.rest_log_sum, case), gradients(reference.rest_log_sum, case.double())
    for triple in zip(found, plain, exact, strict=True):
        check(*triple)


def dense(user_RD: Tensor, item_ID: Tensor, user_R: Tensor, left_out: CSR) -> Tensor:
    score_RI = user_RD @ item_ID.T
    hidden = torch.zeros(score_RI.shape, dtype=torch.bool)
    for row, user in enumerate(user_R.tolist()):
        hidden[row, left_out.indices[left_out.indptr[user] : left_out.indptr[user + 1]].long()] = True
    return score_RI.masked_fill(hidden, -torch.inf).logsumexp(1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_twin(shape: tuple[int, ...], assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    compare(assert_as_exact, make(shape))


def check_as_a_whole(found: Tensor, plain: Tensor, exact: Tensor) -> None:
    """The largest error about torch's own. Large scores are known to few decimals: which row it hits is chance."""
    error, usual = float((found.double() - exact).abs().max()), float((plain.double() - exact).abs().max())
    assert error <= 3 * usual + 1e-6 * float(exact.abs().max())


@pytest.mark.usefixtures("_isa")
@pytest.mark.parametrize("scale", [1e-3, 5.0, 25.0, 1e3])
def test_scores_of_any_size(scale: float) -> None:
    case = make((40, 333, 20, 97), scale=scale)
    assert all(bool(tensor.isfinite().all()) for tensor in gradients(rest_log_sum, case))
    compare(check_as_a_whole, case)


@pytest.mark.parametrize("factor", [1.0, -1.0])
def test_spreads_of_hundreds_of_nats(factor: float) -> None:
    """Scores from −600 to 600, ascending or descending: the maximum moves all the time, or is the first."""
    item = factor * torch.linspace(-2.0, 2.0, 401)[:, None]
    user = torch.tensor([[300.0], [-300.0], [0.0]])
    left_out = CSR(torch.tensor([0, 0, 2, 2]), torch.tensor([0, 400], dtype=torch.int32))
    case = Case(user, item, torch.tensor([0, 1, 2]), left_out)
    found, exact = gradients(rest_log_sum, case), gradients(reference.rest_log_sum, case.double())
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-4)  # a score of 600 is known to 3e-5
    assert found[0][1] == pytest.approx(597 + torch.expm1(torch.tensor(-3.0)).neg().log().neg().item(), abs=1e-3)


def test_a_dominant_item_that_is_left_out_leaves_no_trace() -> None:
    item = torch.cat([torch.full((1, 1), 500.0), torch.linspace(-1, 1, 300)[:, None]])
    case = Case(torch.ones(1, 1), item, torch.tensor([0]), CSR(torch.tensor([0, 1]), torch.zeros(1).int()))
    alone = case._replace(item_ID=item[1:], left_out=CSR(torch.zeros(2).long(), torch.zeros(0).int()))
    found, expected = gradients(rest_log_sum, case), gradients(rest_log_sum, alone)
    torch.testing.assert_close(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1])
    assert found[2][0] == 0.0
    torch.testing.assert_close(found[2][1:], expected[2])


def test_equal_scores() -> None:
    case = make((9, 5000, 4, 33))
    case = case._replace(item_ID=torch.full_like(case.item_ID, 0.1))
    found, exact = gradients(rest_log_sum, case), gradients(reference.rest_log_sum, case.double())
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-6)


def test_where_nothing_is_left() -> None:
    case = make((4, 200, 20, 4))
    everything = CSR(torch.tensor([0, 0, 200, 200, 200]), torch.arange(200, dtype=torch.int32))
    case = case._replace(user_R=torch.tensor([0, 1, 1, 3]), left_out=everything)
    user, item = case.user_UD[case.user_R].requires_grad_(), case.item_ID.requires_grad_()
    sum_R = rest_log_sum(user, item, case.user_R, case.left_out)
    assert (sum_R == -torch.inf).tolist() == [False, True, True, False]
    torch.logaddexp(sum_R, torch.zeros(4)).sum().backward()  # type: ignore[no-untyped-call]
    assert user.grad is not None
    assert (user.grad == 0).all(1).tolist() == [False, True, True, False]
    assert item.grad is not None
    assert bool(item.grad.isfinite().all())


@pytest.mark.parametrize("log_sum", [rest_log_sum, reference.rest_log_sum], ids=["native", "twin"])
def test_no_rows_and_no_items(log_sum: LogSum) -> None:
    case = make((5, 30, 20, 8))
    none = gradients(log_sum, case._replace(user_R=case.user_R[:0]))
    assert [tuple(t.shape) for t in none] == [(0,), (5, 20), (30, 20)]
    assert not none[1].any()
    assert not none[2].any()
    nothing = CSR(torch.zeros(6).long(), torch.zeros(0).int())
    empty = gradients(log_sum, case._replace(item_ID=case.item_ID[:0], left_out=nothing))
    assert bool((empty[0] == -torch.inf).all())
    assert not empty[1].any()


@pytest.mark.parametrize("shape", [SHAPES[1], SHAPES[3], SHAPES[6]], ids=str)
def test_same_bytes(shape: tuple[int, ...], same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    case = make(shape, scale=3.0)
    same_bytes(lambda: gradients(rest_log_sum, case))


def test_same_bytes_on_many_threads(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    case = make((60, 2500, 20, 140))  # enough work for several threads, and more than a run of item tiles
    same_bytes(lambda: gradients(rest_log_sum, case))


def test_a_row_does_not_depend_on_the_others() -> None:
    case = make((40, 333, 20, 97))
    whole = rest_log_sum(case.user_UD[case.user_R], *case[1:])
    for part in (slice(0, 1), slice(5, 40), slice(40, 97)):
        user_R = case.user_R[part]
        assert torch.equal(rest_log_sum(case.user_UD[user_R], case.item_ID, user_R, case.left_out), whole[part])


@pytest.mark.parametrize("wanted", [0, 1])
def test_only_wanted_gradients(wanted: int) -> None:
    case = make((9, 95, 20, 33))
    tables = [case.user_UD.clone(), case.item_ID.clone()]
    tables[wanted].requires_grad_()
    sum_R = rest_log_sum(tables[0][case.user_R], tables[1], case.user_R, case.left_out)
    sum_R.backward(torch.linspace(-1.0, 2.0, 33))  # type: ignore[no-untyped-call]
    assert tables[1 - wanted].grad is None
    grad = tables[wanted].grad
    assert grad is not None
    assert torch.equal(grad, gradients(rest_log_sum, case)[1 + wanted])


@pytest.mark.parametrize("log_sum", [rest_log_sum, reference.rest_log_sum], ids=["native", "twin"])
def test_a_score_that_is_no_number_gives_no_sum(log_sum: LogSum) -> None:
    case = make((4, 120, 5, 4))
    nothing = CSR(torch.zeros(5).long(), torch.zeros(0).int())
    for bad in (torch.nan, torch.inf):
        user = case.user_UD.clone()
        user[2] = bad
        sum_R = log_sum(user, case.item_ID.abs(), torch.arange(4), nothing)  # +inf, not +inf − inf
        assert sum_R.isnan().tolist() == [False, False, True, False]


def test_work_is_reported() -> None:
    case = make((9, 95, 20, 33))
    with counting() as ledger:
        gradients(rest_log_sum, case)
    assert ledger.phases[""].flops == 4 * 2 * 33 * 95 * 20


@pytest.mark.parametrize("block_bytes", [1, 3 * 9 * 8, 16 << 20])
def test_twin_equals_dense_autograd(monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr(import_module("rcekd.kernels.reference.rest_log_sum"), "BLOCK_BYTES", block_bytes)
    case = make((6, 9, 4, 7)).double()
    user_RD, item_ID = case.user_UD[case.user_R].requires_grad_(), case.item_ID.requires_grad_()
    rest = (case.user_R, case.left_out)
    torch.testing.assert_close(rest_log_sum(user_RD, item_ID, *rest), dense(user_RD, item_ID, *rest))
    assert torch.autograd.gradcheck(lambda u, i: rest_log_sum(u, i, *rest), (user_RD, item_ID))


def test_misuse() -> None:
    case = make((4, 30, 5, 6))
    user_RD = case.user_UD[case.user_R]
    with pytest.raises(ValueError, match="user_RD has 6 rows, user_R 5"):
        rest_log_sum(user_RD, case.item_ID, case.user_R[:5], case.left_out)
    with pytest.raises(ValueError, match="user_R must lie in"):
        rest_log_sum(user_RD, case.item_ID, case.user_R + 4, case.left_out)
    with pytest.raises(ValueError, match=r"left_out\.indices must lie in"):
        rest_log_sum(user_RD, case.item_ID[:3], case.user_R, case.left_out)
    with pytest.raises(ValueError, match="ascending without repeats"):
        rest_log_sum(user_RD, case.item_ID, case.user_R, CSR(torch.tensor([0, 0, 0, 0, 2]), torch.tensor([3, 3])))
    with pytest.raises(TypeError, match="share dtype"):
        rest_log_sum(user_RD.double(), case.item_ID, case.user_R, case.left_out)
    with pytest.raises(TypeError, match=r"left_out\.indptr must be a dense tensor"):
        rest_log_sum(user_RD, case.item_ID, case.user_R, CSR(case.left_out.indptr.to_sparse(), case.left_out.indices))
    with pytest.raises(ValueError, match=r"left_out\.indices must have one dimension"):
        rest_log_sum(user_RD, case.item_ID, case.user_R, CSR(case.left_out.indptr, case.left_out.indices[None]))
