"""What a backbone computes once per step and several ask for: the base loss, and the distillation loss beside it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class _Entry(NamedTuple):
    state: tuple[object, ...]
    value: Tensor
    token: object


class StepCache:
    """Tensors by name, for the model's parameters as they are.

    A value is forgotten when a parameter has changed (torch counts in-place changes), when the model's mode or
    autograd's has, and once a gradient has flowed back through it, for its graph is spent then. So nobody has to say
    that a step begins. A copy of a model starts with nothing remembered.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._entries: dict[str, _Entry] = {}

    def get(self, name: str, compute: Callable[[], Tensor]) -> Tensor:
        """The value remembered under `name`, else `compute()`, which is remembered."""
        found = self.find(name)
        return self.keep(name, compute()) if found is None else found

    def find(self, name: str) -> Tensor | None:
        """The value remembered under `name`; None where there is none that still holds."""
        entry = self._entries.get(name)
        return entry.value if entry is not None and entry.state == self._state() else None

    def keep(self, name: str, value: Tensor) -> Tensor:
        """Remember a value under `name`, and return it."""
        # The hook is kept by the value's own graph: if it held the value, neither would ever be freed. A leaf (a
        # parameter as it is) has no graph that is spent or goes away with its hooks: they would pile up, step by step.
        token = object()
        if value.requires_grad and not value.is_leaf:
            value.register_hook(lambda _: self._spent(name, token))  # type: ignore[no-untyped-call]
        self._entries[name] = _Entry(self._state(), value, token)
        return value

    def _spent(self, name: str, token: object) -> None:
        entry = self._entries.get(name)
        if entry is not None and entry.token is token:
            del self._entries[name]

    def _state(self) -> tuple[object, ...]:
        versions = tuple((id(parameter), parameter._version) for parameter in self._model.parameters())
        return (self._model.training, torch.is_grad_enabled(), versions)

    def __deepcopy__(self, memo: dict[int, Any]) -> "StepCache":
        model: nn.Module = memo[id(self._model)]
        return StepCache(model)
