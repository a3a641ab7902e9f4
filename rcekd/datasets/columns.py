"""Which column of a table holds users, items, ratings and times."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rcekd.datasets.settings import ColumnSettings
from rcekd.errors import InputError, nearest

UNREAD = "-"
ATOMIC_TYPES = ("token", "token_seq", "float", "float_seq")  # RecBole's, after a column's name

# Compared in lower case without punctuation; earlier names win over later ones.
USUAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "user": ("userid", "user", "uid", "username", "customerid", "customer", "reviewerid", "visitorid", "memberid"),
        "item": (
            *("itemid", "item", "iid", "movieid", "movie", "productid", "product", "articleid", "article", "bookid"),
            *("trackid", "songid", "artistid", "businessid", "placeid", "locationid", "parentasin", "asin", "isbn"),
        ),
        "rating": ("rating", "score", "stars", "overall", "bookrating", "preference"),
        "time": ("timestamp", "time", "datetime", "date", "unixreviewtime", "unixtime", "ratingtime", "ts"),
    }
)


class Columns(NamedTuple):
    """Names of columns as the file spells them; rating and time may be absent."""

    user: str
    item: str
    rating: str | None
    time: str | None


def find_columns(header: Sequence[str], given: ColumnSettings, path: Path) -> Columns:
    """Take the given names, guess the others. Raises InputError where users or items cannot be told."""
    found = {kind: _find(kind, header, getattr(given, kind), path) for kind in USUAL}
    user, item = found["user"], found["item"]
    if user is None or item is None:
        missing = "user" if user is None else "item"
        shown = ", ".join(repr(name) for name in header[:8])
        # Names that are numbers are those of no column: the file begins with an interaction.
        no_header = all(without_type(name).replace(".", "", 1).isdigit() for name in header)
        remedy = "" if no_header else f", or name it with data.columns.{missing}"
        raise InputError(
            f"{path}, line 1: no {missing} column among {shown}; the first line must name the columns{remedy}"
        )
    if user == item:
        raise InputError(f"{path}, line 1: column {user!r} cannot be both user and item; set data.columns.item")
    return Columns(user, item, found["rating"], found["time"])


def _find(kind: str, header: Sequence[str], given: str | None, path: Path) -> str | None:
    if given == UNREAD and kind in ("rating", "time"):
        return None
    if given is not None:
        return _named(kind, header, given, path)
    return usual_column(header, USUAL[kind])


def usual_column(header: Sequence[str], usual: Sequence[str]) -> str | None:
    """The column of the first of the `usual` names that the header has, as it spells it; None where it has none."""
    by_plain = {plain(name): name for name in reversed(header)}
    return next((by_plain[name] for name in usual if name in by_plain), None)


def chosen_column(
    header: Sequence[str], usual: Sequence[str], given: str | None, option: str, path: Path
) -> str | None:
    """The given column, else that of the first usual name; None where there is none.

    option: what the column is given by. InputError where the header has not the given one.
    """
    if given is None:
        return usual_column(header, usual)
    if given not in header:
        raise InputError(f"{path}: {option} {given!r} is not a column{nearest(given, header)}")
    return given


def needed_column(
    header: Sequence[str], usual: Sequence[str], given: str | None, what: str, option: str, path: Path
) -> str:
    """The same; InputError where there is none."""
    found = chosen_column(header, usual, given, option, path)
    if found is None:
        shown = ", ".join(repr(name) for name in header[:8])
        raise InputError(f"{path}: no {what} column among {shown}; name it with {option}")
    return found


def _named(kind: str, header: Sequence[str], given: str, path: Path) -> str:
    for name in header:
        if given in (name, without_type(name)):
            return name
    raise InputError(f"{path}, line 1: data.columns.{kind}={given!r} is not a column{nearest(given, header)}")


def without_type(name: str) -> str:
    """`user_id:token` (RecBole) -> `user_id`; what follows another colon is part of the name, as in `user:a`."""
    before, _, kind = name.rpartition(":")
    return before if kind in ATOMIC_TYPES else name


def plain(name: str) -> str:
    """A column's name as it is compared: lower case, letters and digits only, without RecBole's type."""
    return "".join(letter for letter in without_type(name).lower() if letter.isalnum())
