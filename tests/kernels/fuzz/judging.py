"""What a door may do with its arguments: refuse them in one clear line, or answer as its twin does."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.kernels.fuzz.making import Making

Answer = Sequence[Tensor]

FEW, MANY = 120, 6000
"""How many calls a test makes of one door; MANY is for `make test-slow`."""

at_length = pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


class Call(NamedTuple):
    """A call of a door and of its twin, which is to give the same bits; with `exact`, the twin in float64, a sum."""

    door: Callable[[], Answer]
    twin: Callable[[], Answer]
    exact: Callable[[], Answer] | None = None


def fuzz(make: Callable[[Making], Call], spoilable: Sequence[str], examples: int) -> None:
    """Judges `examples` calls that `make` makes, half of them or so with one of the named arguments spoiled."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def one(data: st.DataObject) -> None:
        making = Making(data.draw, spoilable)
        judge(make(making), making.spoiled)

    one()


def judge(call: Call, spoiled: str | None) -> None:
    """AssertionError where a door refuses what is sound, fails otherwise than by refusing, or answers wrongly."""
    try:
        found = call.door()
    except (ValueError, TypeError) as error:
        judge_refusal(str(error), spoiled)
        return
    except FloatingPointError:
        with pytest.raises(FloatingPointError):  # where several users have one, each may name another
            call.twin()
        return
    expected = call.twin()
    for one, of_twin in zip(found, expected, strict=True):
        assert one.shape == of_twin.shape
        assert one.dtype == of_twin.dtype
    if call.exact is None:
        assert_same(found, expected)
    else:
        assert_close(found, expected, call.exact())


def judge_refusal(words: str, spoiled: str | None) -> None:
    """AssertionError where what is sound is refused, or not in one line."""
    assert spoiled is not None, f"sound arguments were refused: {words}"
    assert words, "an error without a word"
    assert "\n" not in words, "an error of several lines"


def assert_same(found: Answer, expected: Answer) -> None:
    """The same bits, but for the sign of a zero."""
    for one, twins in zip(found, expected, strict=True):
        assert torch.equal(one, twins), f"{one.tolist()} is not the twin's {twins.tolist()}"


def assert_close(found: Answer, plain: Answer, exact: Answer) -> None:
    """As near to float64 as plain torch in float32, and a little more; not finite just where both twins are not."""
    # What went in is of size 1: where an answer is small, it is a difference of larger numbers.
    size = 1.0 + max((float(one[one.isfinite()].abs().max()) for one in exact if one.isfinite().any()), default=0.0)
    for one, twins, exact_one in zip(found, plain, exact, strict=True):
        finite = twins.isfinite() & exact_one.isfinite()
        hopeless = ~twins.isfinite() & ~exact_one.isfinite()
        assert bool(one[finite].isfinite().all()), f"what the twin can compute is not finite: {one} for {twins}"
        assert not bool(one[hopeless].isfinite().any()), f"a NaN or infinite number has vanished: {one} for {twins}"
        own_error = (twins.double() - exact_one)[finite].abs().amax() if finite.any() else 0.0
        error = (one.double() - exact_one)[finite].abs().amax() if finite.any() else 0.0
        assert error <= 4 * own_error + 1e-5 * size, f"error {error}, the twin's own {own_error}, of {size}"
