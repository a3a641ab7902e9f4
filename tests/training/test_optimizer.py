"""The optimiser against torch.optim.Adam, dense and row-sparse, and its state through a save."""

import copy
import subprocess
import sys

import pytest
import torch

from rcekd.training.optimizer import Adam

SETTINGS = {"learning_rate": 0.01, "weight_decay": 0.1}


def pair() -> tuple[torch.nn.Parameter, torch.nn.Parameter]:
    start = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    return torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())


def gradients(steps: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    grads = [torch.randn(7, 3, generator=generator) for _ in range(steps)]
    for grad in grads:
        grad[torch.randperm(7, generator=generator)[:3]] = 0.0  # rows that a batch does not touch
    return grads


@pytest.mark.parametrize("sparse", [False, True])
def test_torch_adam(sparse: bool) -> None:
    ours, theirs = pair()
    optimizer = Adam([ours], **SETTINGS)
    reference = torch.optim.Adam([theirs], lr=0.01, weight_decay=0.1)
    for grad in gradients(25):
        theirs.grad = grad.clone()
        ours.grad = grad.to_sparse(1) if sparse else grad.clone()
        optimizer.step()
        reference.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lazy", [False, True])
def test_steps_by_rates_are_the_steps(lazy: bool) -> None:
    """To the bit, also where parameters have been updated unequally often, or not at all."""
    runs = []
    for by_rates in (False, True):
        (first, second), (third, _) = pair(), pair()
        optimizer = Adam([first, second, third], **SETTINGS, lazy=lazy)
        for grad in gradients(3):
            first.grad = grad
            optimizer.step()
        rates_NP2 = optimizer.rates(5)
        for grad, rates_P2 in zip(gradients(5), rates_NP2, strict=True):
            first.grad, second.grad = grad, 2 * grad
            optimizer.step(rates_P2 if by_rates else None)
        if by_rates:
            optimizer.advance(5)
        moments = optimizer.state_dict()["moments"]
        assert [one["step"] for one in moments] == [8, 5, 0]
        runs.append([first, second, third, *(one[name] for one in moments for name in ("exp_avg", "exp_avg_sq"))])
    for one, other in zip(*runs, strict=True):
        assert torch.equal(one, other)


def test_who_computed_from_the_parameters_hears_of_a_touch() -> None:
    ours, _ = pair()
    loss = (ours * ours).sum()
    Adam([ours], **SETTINGS).touch()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_sparse_gradient_that_names_a_row_twice_adds_up() -> None:
    ours, theirs = pair()
    rows = torch.tensor([[2, 5, 2]])
    values = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0.5, 0.5, 0.5]])
    ours.grad = torch.sparse_coo_tensor(rows, values, (7, 3), check_invariants=True)
    theirs.grad = torch.zeros(7, 3).index_add(0, rows[0], values)
    Adam([ours], **SETTINGS).step()
    torch.optim.Adam([theirs], lr=0.01, weight_decay=0.1).step()
    torch.testing.assert_close(ours, theirs)


def test_a_parameter_without_gradient_stays() -> None:
    ours, other = pair()
    ours.grad = torch.ones(7, 3)
    before = other.detach().clone()
    Adam([ours, other], **SETTINGS).step()
    assert torch.equal(other, before)


def test_the_state_goes_on_where_it_was_saved() -> None:
    first, second = pair()
    grads = gradients(6)
    optimizer = Adam([first], **SETTINGS)
    for grad in grads[:3]:
        first.grad = grad
        optimizer.step()
    with torch.no_grad():
        second.copy_(first)
    restored = Adam([second], **SETTINGS)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for grad in grads[3:]:
        for parameter, rule in ((first, optimizer), (second, restored)):
            parameter.grad = grad.clone()
            rule.step()
    assert torch.equal(first, second)


def test_a_state_of_other_parameters_is_refused() -> None:
    first, _ = pair()
    state = Adam([first], **SETTINGS).state_dict()
    for others in ([torch.nn.Parameter(torch.zeros(7, 4))], [], [first, first]):
        with pytest.raises(ValueError, match=r"moments of shape|argument"):
            Adam(others, **SETTINGS).load_state_dict(state)


def test_no_compiler_is_imported() -> None:
    """torch.optim.Optimizer would import torch._dynamo, two seconds of every command."""
    program = (
        "import sys, torch; from rcekd.training.optimizer import Adam\n"
        "p = torch.nn.Parameter(torch.ones(2, 2)); p.sum().backward()\n"
        "a = Adam([p], learning_rate=0.1, weight_decay=0); a.step(); a.load_state_dict(a.state_dict()); a.zero_grad()\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
