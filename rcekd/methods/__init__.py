"""Distillation methods. `METHODS` is the one table from a name to its settings and its class."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rcekd.datasets import Interactions
from rcekd.errors import InputError, nearest
from rcekd.methods.alone import AloneSettings
from rcekd.methods.base import Method, MethodSettings
from rcekd.methods.cross_entropy import CrossEntropy, CrossEntropySettings
from rcekd.methods.rcekd import RCEKD, RCEKDSettings
from rcekd.teachers import TeacherKnowledge

__all__ = ["METHODS", "RCEKD", "CrossEntropy", "Method", "MethodSettings", "RCEKDSettings", "build_method", "find"]


class Entry(NamedTuple):
    settings: type[MethodSettings]
    build: Callable[[Any, TeacherKnowledge, Interactions, int], Method] | None


METHODS: dict[str, Entry] = {
    "none": Entry(AloneSettings, None),
    "ce": Entry(CrossEntropySettings, CrossEntropy),
    "rcekd": Entry(RCEKDSettings, RCEKD),
}


def find(name: str) -> Entry:
    """The entry of a method; InputError with the nearest name when there is none."""
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}{nearest(name, METHODS)}")
    return METHODS[name]


def build_method(
    settings: MethodSettings, teacher: TeacherKnowledge, data: Interactions, *, seed: int
) -> Method | None:
    """The method ready for its first epoch; None for `none`, the student alone."""
    build = find(settings.name).build
    return None if build is None else build(settings, teacher, data, seed)
