"""Whole commands, for the tests on a real GPU."""

from tests.flows.conftest import _caches, distill, rcekd  # noqa: F401
