"""Which cells of an experiment `--only LABEL …` means."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from rcekd.errors import InputError
from rcekd.experiments.plan import Cell, Experiment, Labels

Fits = Callable[[str, str, str], bool]
"""(kind, what a place says there, label) → whether the label means it."""


class Only:
    """Labels that a cell is to have. Those of one kind (two methods, say) are alternatives; the kinds hold together.

    A label is all that a cell says of a kind (a seed's number, a dataset's file without its folders), or else, where no
    cell says just that, one word of a cell's labels or several in a row.
    """

    def __init__(self, asked: Sequence[str], places: Collection[Labels]) -> None:
        """InputError where none of the places has the labels."""
        self._alternatives: dict[frozenset[str], list[_Asked]] = {}
        for label in asked:
            meant = _meant(label, places)
            if not any(map(meant.takes, places)):
                raise InputError(f"{_command(asked)}: no cell has the label {label!r}; there are {_known(places)}")
            self._alternatives.setdefault(meant.kinds, []).append(meant)
        if not any(map(self.takes, places)):
            raise InputError(f"{_command(asked)}: no cell has these labels together")

    def takes(self, place: Labels) -> bool:
        """Whether a cell of these labels is meant."""
        return all(any(meant.takes(place) for meant in group) for group in self._alternatives.values())


class _Asked(NamedTuple):
    """A label and the kinds in which it occurs; none for one that goes over several, such as `mf-mf rcekd`."""

    label: str
    fits: Fits
    kinds: frozenset[str]

    def takes(self, place: Labels) -> bool:
        if not self.kinds:
            return _has("", str(place), self.label)
        return any(kind in self.kinds and self.fits(kind, text, self.label) for kind, text in _parts(place))


def chosen_cells(experiment: Experiment, asked: Sequence[str]) -> list[Cell]:
    """The cells to be run, equal ones once, by the first of their labels. InputError for none."""
    places = list(experiment.places())
    only = Only(asked, [labels for labels, _ in places])
    found: dict[str, Cell] = {}
    # Labels first: a cell may stand in the tables more than once, and any of its labels is its own.
    for labels, cell in places:
        if only.takes(labels):
            found.setdefault(cell.identity, cell)
    return list(found.values())


def _meant(label: str, places: Collection[Labels]) -> _Asked:
    for fits in (_is, _has):
        kinds = frozenset(kind for place in places for kind, text in _parts(place) if fits(kind, text, label))
        if kinds:
            return _Asked(label, fits, kinds)
    return _Asked(label, _has, frozenset())


def _parts(place: Labels) -> Iterator[tuple[str, str]]:
    for kind, value in place._asdict().items():
        yield kind, f"seed {value}" if kind == "seed" else value


def _is(kind: str, text: str, label: str) -> bool:
    if kind == "seed":
        return text in (label, f"seed {label}")
    return text == label or (kind == "dataset" and text.endswith(f"/{label}"))


def _has(kind: str, text: str, label: str) -> bool:
    del kind
    return f" {label} " in f" {text} "


def _command(asked: Sequence[str]) -> str:
    return " ".join(f"--only {label!r}" for label in asked)


def _known(places: Collection[Labels]) -> str:
    columns = zip(*places, strict=True)
    listed = [", ".join(dict.fromkeys(str(part) for part in column if part != "")) for column in columns]
    return "; ".join(filter(None, listed))
