"""The one exception that means "the user's input is wrong": one line that says what, where, and what would be right."""

import difflib
import errno
from collections.abc import Iterable

# What keeps us from a file is the user's to mend, but for faults of hardware.
UNWRITABLE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "ENOTDIR", "EISDIR", "ENOENT", "ENAMETOOLONG")
}


# The exit code of a command that the user has stopped, as shells have it: 128 + SIGINT.
INTERRUPTED = 130


class InputError(Exception):
    """Wrong input. The message is a single line: what is wrong, where (file, line, key), and the remedy.

    Commands print it without a traceback and exit with code 2.
    """


class UnknownSetting(InputError):
    """A setting that nothing has."""


def user_message(error: BaseException) -> str | None:
    """The line for an error that is wrong input, or a file that cannot be written; None for a fault of ours."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return f"cannot write {error.filename or 'a file'}: {error.strerror}; make room or choose another folder"
    return None


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
    """The user stopped a run; its state is saved. Commands exit with code INTERRUPTED and say how to go on."""
