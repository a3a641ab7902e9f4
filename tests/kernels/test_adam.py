"""The native Adam step against torch.optim.Adam and its twin."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.kernels import reference
from rcekd.kernels.adam import adam_rates, adam_step_

SETTINGS: dict[str, Any] = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 1e-3}


def tables(rows: int, width: int, seed: int = 0) -> tuple[Tensor, list[Tensor]]:
    """A parameter and the gradients of four steps."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator), [
        torch.randn(rows, width, generator=generator) for _ in range(4)
    ]


def row_sparse(grad: Tensor, rows: list[int]) -> Tensor:
    index = torch.tensor(rows, dtype=torch.int64)[None]
    return torch.sparse_coo_tensor(index, grad[index[0]], grad.shape, is_coalesced=True, check_invariants=True)


def run(step: Callable[..., None], param: Tensor, grads: list[Tensor], **settings: Any) -> list[Tensor]:
    state = [param.clone(), torch.zeros_like(param), torch.zeros_like(param)]
    for t, grad in enumerate(grads, start=1):
        step(*state, grad, step=t, **(SETTINGS | settings))
    return state


def torch_adam(param: Tensor, grads: list[Tensor]) -> Tensor:
    leaf = param.clone().requires_grad_()
    betas = (SETTINGS["beta1"], SETTINGS["beta2"])
    optimizer = torch.optim.Adam(
        [leaf], lr=SETTINGS["lr"], betas=betas, eps=SETTINGS["eps"], weight_decay=SETTINGS["weight_decay"]
    )
    for grad in grads:
        leaf.grad = grad.clone()
        optimizer.step()
    return leaf.detach()


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (13, 20), (33, 64), (5, 400), (3000, 17)], ids=str)
def test_is_torch_adam(shape: tuple[int, int], assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    param, grads = tables(*shape)
    exact = torch_adam(param.double(), [grad.double() for grad in grads])
    assert_as_exact(run(adam_step_, param, grads)[0], torch_adam(param, grads), exact)
    twin = run(reference.adam_step_, param.double(), [grad.double() for grad in grads])
    torch.testing.assert_close(twin[0], exact, rtol=1e-12, atol=1e-14)


def test_moments_match_twin(assert_as_exact: Callable[[Tensor, Tensor, Tensor], None]) -> None:
    param, grads = tables(41, 20)
    found, plain = run(adam_step_, param, grads), run(reference.adam_step_, param, grads)
    exact = run(reference.adam_step_, param.double(), [grad.double() for grad in grads])
    for triple in zip(found, plain, exact, strict=True):
        assert_as_exact(*triple)


@pytest.mark.parametrize("rows", [[], [0], [12], [0, 1, 2, 7, 12], list(range(13))], ids=str)
@pytest.mark.parametrize("width", [1, 3, 20, 63, 65, 400])
@pytest.mark.parametrize("table", [13, 2000])
def test_sparse_is_dense(rows: list[int], width: int, table: int) -> None:
    rows = [row * (table // 13) for row in rows]
    param, grads = tables(table, width)
    sparse = [row_sparse(grad, rows) for grad in grads]
    dense = [grad.to_dense() for grad in sparse]
    for a, b in zip(run(adam_step_, param, sparse), run(adam_step_, param, dense), strict=True):
        assert torch.equal(a.view(torch.int32), b.view(torch.int32))


def test_uncoalesced_gradient_is_summed() -> None:
    param, _ = tables(5, 3)
    index = torch.tensor([[4, 1, 4]])
    grad = torch.sparse_coo_tensor(index, torch.ones(3, 3), (5, 3), check_invariants=True)
    assert torch.equal(run(adam_step_, param, [grad])[0], run(adam_step_, param, [grad.to_dense()])[0])


def test_repeated_rows_are_summed_whatever_the_gradient_is_called() -> None:
    """torch.Tensor.to_dense believes the flag, and lets the threads or lanes that write one row run a race."""
    width, times = 257, 1000
    index, value = torch.zeros(1, times, dtype=torch.int64), torch.ones(times, width)
    param = torch.ones(2, width)
    named = torch.sparse_coo_tensor(index, value, param.shape, is_coalesced=True, check_invariants=False)
    plain = torch.tensor([[float(times)], [0.0]]).expand_as(param).contiguous()
    for step in (adam_step_, reference.adam_step_):
        for found, expected in zip(run(step, param, [named]), run(step, param, [plain]), strict=True):
            assert torch.equal(found, expected)


def test_unnamed_row_decays_and_moves() -> None:
    param = torch.ones(2, 4)
    grads = [row_sparse(torch.ones(2, 4), [0])]
    moved = run(adam_step_, param, grads, weight_decay=0.5)[0]
    assert torch.allclose(moved[1], torch.full((4,), 1 - SETTINGS["lr"]))
    still = run(adam_step_, param, grads, weight_decay=0.0)[0]
    assert torch.equal(still[1], param[1])


@pytest.mark.parametrize("width", [1, 3, 20, 65, 400])
@pytest.mark.parametrize("rows", [[], [0], [0, 1, 7, 12], list(range(13))], ids=str)
def test_lazily_rows_without_gradient_rest(rows: list[int], width: int) -> None:
    param, grads = tables(13, width)
    sparse = [row_sparse(grad, rows) for grad in grads]
    dense = [grad.to_dense() for grad in sparse]
    found = run(adam_step_, param, sparse, lazy=True)
    for other in (run(adam_step_, param, dense, lazy=True), run(adam_step_, param[rows], [g[rows] for g in grads])):
        for a, b in zip(found, other, strict=True):
            assert torch.equal(a[rows] if a.shape != b.shape else a, b)
    still = [row for row in range(13) if row not in rows]
    assert torch.equal(found[0][still], param[still])
    assert not found[1][still].any()
    twin = run(reference.adam_step_, param.double(), [grad.double() for grad in dense], lazy=True)
    torch.testing.assert_close(found[0].double(), twin[0], rtol=1e-5, atol=1e-6)


def test_lazily_a_named_row_of_zeros_rests_and_nan_moves() -> None:
    param = torch.ones(3, 2)
    grad = torch.tensor([[0.0, -0.0], [0.0, float("nan")], [0.0, 0.0]])
    for form in (grad, row_sparse(grad, [0, 1])):
        moved = run(adam_step_, param, [form], lazy=True)[0]
        assert torch.equal(moved[[0, 2]], param[[0, 2]])
        assert moved[1].isnan().tolist() == [False, True]


def test_lazily_a_vector_s_numbers_are_rows() -> None:
    state = [torch.ones(3), torch.zeros(3), torch.zeros(3)]
    adam_step_(*state, torch.tensor([0.0, 1.0, 0.0]), step=1, **SETTINGS, lazy=True)
    assert (state[0] != 1).tolist() == [False, True, False]


def rates_of(step: int) -> Tensor:
    """What a step reads in place of its number."""
    of_step = adam_rates(step, **{name: SETTINGS[name] for name in ("lr", "beta1", "beta2", "eps")})
    return torch.tensor(of_step, dtype=torch.float64).float()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("rows", [None, [0, 1, 7, 12]], ids=["dense", "row-sparse"])
def test_rates_are_read_from_memory(rows: list[int] | None, lazy: bool) -> None:
    """The same bits as from the step's number, which then plays no part."""

    def by_rates(*state_and_grad: Tensor, step: int, **settings: Any) -> None:
        adam_step_(*state_and_grad, step=99, rates=rates_of(step), **{**settings, "lr": 7.0, "eps": 1.0})

    param, grads = tables(13, 20)
    grads = grads if rows is None else [row_sparse(grad, rows) for grad in grads]
    for found, expected in zip(
        run(by_rates, param, grads, lazy=lazy), run(adam_step_, param, grads, lazy=lazy), strict=True
    ):
        assert torch.equal(found.view(torch.int32), expected.view(torch.int32))


def test_the_twin_takes_rates_too() -> None:
    param, grads = tables(13, 20)
    twice = [[table.double() for table in (param, torch.zeros_like(param), torch.zeros_like(param))] for _ in "ab"]
    for step, grad in enumerate(grads, start=1):
        reference.adam_step_(*twice[0], grad.double(), step=step, **SETTINGS)
        reference.adam_step_(*twice[1], grad.double(), step=99, rates=rates_of(step), **SETTINGS)
    for expected, found in zip(*twice, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_same_bytes(same_bytes: Callable[[Callable[[], list[Tensor]]], None]) -> None:
    for rows, width in ((2100, 19), (301, 131)):
        param, grads = tables(rows, width)
        sparse = [row_sparse(grad, sorted({(7 * i * i) % rows for i in range(rows // 5)})) for grad in grads]
        same_bytes(lambda inputs=(param, grads): run(adam_step_, *inputs))  # type: ignore[misc]
        same_bytes(lambda inputs=(param, sparse): run(adam_step_, *inputs))  # type: ignore[misc]
        same_bytes(lambda inputs=(param, sparse): run(adam_step_, *inputs, lazy=True))  # type: ignore[misc]


def test_version_is_bumped() -> None:
    leaf = torch.ones(3, 2, requires_grad=True)
    loss = (leaf * leaf).sum()
    adam_step_(leaf, torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(3, 2), step=1, **SETTINGS)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("make", [torch.Tensor.double, lambda t: t.t().contiguous().t()], ids=["float64", "strided"])
def test_other_tensors_take_the_twin(make: Callable[[Tensor], Tensor]) -> None:
    param, grads = tables(6, 5)
    state = [make(param), make(torch.zeros(6, 5)), make(torch.zeros(6, 5))]
    adam_step_(*state, make(grads[0]), step=1, **SETTINGS)
    torch.testing.assert_close(state[0].float(), run(adam_step_, param, grads[:1])[0])


def test_misuse() -> None:
    param = torch.ones(3, 2)
    with pytest.raises(ValueError, match="same shape"):
        adam_step_(param, param, param, torch.ones(2, 2), step=1, **SETTINGS)
    with pytest.raises(ValueError, match="counts from 1"):
        adam_step_(param, param, param, param, step=0, **SETTINGS)
    for rates, error in (
        (torch.ones(3), ValueError),
        (torch.ones(2).double(), TypeError),
        (torch.ones(4)[::2], TypeError),
    ):
        with pytest.raises(error, match="rates must"):
            adam_step_(param, param.clone(), param.clone(), param.clone(), step=1, rates=rates, **SETTINGS)
    outside = torch.sparse_coo_tensor(
        torch.tensor([[7]]), torch.ones(1, 2), (3, 2), is_coalesced=True, check_invariants=False
    )
    with pytest.raises(ValueError, match="must lie in"):
        adam_step_(param, param.clone(), param.clone(), outside, step=1, **SETTINGS)
