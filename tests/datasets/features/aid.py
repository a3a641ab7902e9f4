"""What the tests of features share."""

from collections.abc import Callable

import pytest

from rcekd.errors import InputError


def refused(do: Callable[..., object], *arguments: object, **named: object) -> str:
    """The message, of one line, with which something is refused."""
    with pytest.raises(InputError) as caught:
        do(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message
