"""Where every setting of a run comes from: the last layer of settings that says something about it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

DEFAULT = "default"


class Sourced(NamedTuple):
    """One setting: its dotted key, its value, and the layer it comes from."""

    key: str
    value: Any
    source: str


def sources(values: Mapping[str, Any], layers: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Sourced]:
    """Every setting of the resolved `values` with the last of `layers` (rising in precedence) that holds its key.

    DEFAULT stands for a setting that no layer mentions.
    """
    return [Sourced(".".join(path), value, _last_layer(path, layers)) for path, value in leaves(values)]


def leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, value) of everything that is no group of further keys."""
    for key, value in values.items():
        path = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def _last_layer(path: tuple[str, ...], layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return next((name for name, values in reversed(layers) if _holds(values, path)), DEFAULT)


def _holds(values: Any, path: tuple[str, ...]) -> bool:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True
