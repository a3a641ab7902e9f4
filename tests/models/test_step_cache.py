"""A step's cache: one computation a step, and never a stale or a spent value."""

import copy
import weakref

import torch
from torch import Tensor, nn

from rcekd.models.step_cache import StepCache


class Doubling(nn.Module):
    """Twice its weight, counting how often it has to compute it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.cache = StepCache(self)
        self.computed = 0

    def twice(self) -> Tensor:
        return self.cache.get("twice", self._compute)

    def _compute(self) -> Tensor:
        self.computed += 1
        return 2 * self.weight.square()


def test_a_step_computes_once() -> None:
    model = Doubling()
    (model.twice().sum() + model.twice().prod()).backward()
    assert model.computed == 1
    assert model.weight.grad is not None


def test_a_spent_graph_is_not_used_again() -> None:
    model = Doubling()
    for step in range(1, 4):
        model.twice().sum().backward()
        assert model.computed == step


def test_a_gradient_through_an_old_value_leaves_its_successor() -> None:
    model = Doubling()
    old, new = (model.cache.keep("twice", 2 * model.weight) for _ in range(2))
    old.sum().backward()
    assert model.cache.find("twice") is new
    new.sum().backward()
    assert model.cache.find("twice") is None


def test_it_forgets_when_a_parameter_changes() -> None:
    model = Doubling()
    with torch.no_grad():
        first = model.twice()
        model.weight.add_(1)
        assert not torch.equal(model.twice(), first)
    model.weight.data = torch.zeros(3)  # another tensor under the same parameter
    model.weight = nn.Parameter(torch.full((3,), 5.0))
    with torch.no_grad():
        assert model.twice().tolist() == [50.0] * 3


def test_modes_do_not_share_values() -> None:
    model = Doubling()
    with torch.no_grad():
        assert not model.twice().requires_grad
    assert model.twice().requires_grad
    model.eval()
    model.twice()
    assert model.computed == 3


def test_a_copy_remembers_nothing_and_watches_its_own_parameters() -> None:
    model = Doubling()
    model.twice()
    other = copy.deepcopy(model)
    other.twice()
    assert (model.computed, other.computed) == (1, 2)
    with torch.no_grad():
        other.weight.add_(1)
        assert not torch.equal(other.twice(), model.twice())


def test_values_are_freed_with_their_graph() -> None:
    model = Doubling()
    value = model.twice()
    watched = weakref.ref(value)
    value.sum().backward()
    del value
    assert watched() is None


def test_a_parameter_itself_is_remembered_without_hooks() -> None:
    model = Doubling()
    for _ in range(3):
        weight = model.cache.get("weight", lambda: model.weight)
        (weight.sum() + model.twice().sum()).backward()
        assert model.cache.find("weight") is weight
        with torch.no_grad():
            model.weight.add_(1)
        assert model.cache.find("weight") is None
    assert not model.weight._backward_hooks
