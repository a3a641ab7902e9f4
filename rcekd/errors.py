"""The one exception that means "the user's input is wrong": one line that says what, where, and what would be right."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Wrong input. The message is a single line: what is wrong, where (file, line, key), and the remedy.

    Commands print it without a traceback and exit with code 2.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """A ready ending for "unknown …" messages: the closest known name, then all of them."""
    names = sorted(known)
    plain = {other.lower(): other for other in reversed(names)}
    close = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.5)
    hint = f"; did you mean {plain[close[0]]!r}?" if close else ";"
    return f"{hint} known: {', '.join(names)}"


class DivergedError(InputError):
    """A loss is not finite or has exploded; the message names epoch, batch and the likely setting."""


class InterruptedRun(Exception):
    """The user stopped a run; its state is saved. Commands exit with code 130 and say how to go on."""
