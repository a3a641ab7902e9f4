"""Which cells of an experiment `--only LABEL …` means."""

from collections.abc import Collection, Iterator, Sequence

from rcekd.errors import InputError
from rcekd.experiments.plan import Cell, Experiment, Labels

Kinds = frozenset[str]
"""Fields of `Labels`; empty for a label that goes over several, such as `mf-mf rcekd`."""


class Only:
    """Labels that a cell is to have. Those of one kind (two methods, say) are alternatives; the kinds hold together.

    A label is one word of a cell's labels or several in a row.
    """

    def __init__(self, asked: Sequence[str], places: Collection[Labels]) -> None:
        """InputError where none of the places has the labels."""
        self._alternatives: dict[Kinds, list[str]] = {}
        for label in asked:
            kinds = frozenset(kind for place in places for kind, text in _parts(place) if _has(text, label))
            if not kinds and not any(_has(str(place), label) for place in places):
                raise InputError(f"{_command(asked)}: no cell has the label {label!r}; there are {_known(places)}")
            self._alternatives.setdefault(kinds, []).append(label)
        if not any(map(self.takes, places)):
            raise InputError(f"{_command(asked)}: no cell has these labels together")

    def takes(self, place: Labels) -> bool:
        """Whether a cell of these labels is meant."""
        return all(_has_any(place, kinds, labels) for kinds, labels in self._alternatives.items())


def chosen_cells(experiment: Experiment, asked: Sequence[str]) -> list[Cell]:
    """The cells to be run, equal ones once, by the first of their labels. InputError for none."""
    cells = list(experiment.cells())
    only = Only(asked, [cell.labels for cell in cells])
    found: dict[str, Cell] = {}
    # Labels first: a cell may stand in the tables more than once, and any of its labels is its own.
    for cell in cells:
        if only.takes(cell.labels):
            found.setdefault(cell.identity, cell)
    return list(found.values())


def _parts(place: Labels) -> Iterator[tuple[str, str]]:
    for kind, value in place._asdict().items():
        yield kind, f"seed {value}" if kind == "seed" else value


def _has(text: str, label: str) -> bool:
    return f" {label} " in f" {text} "


def _has_any(place: Labels, kinds: Kinds, labels: Sequence[str]) -> bool:
    texts = [text for kind, text in _parts(place) if kind in kinds] or [str(place)]
    return any(_has(text, label) for text in texts for label in labels)


def _command(asked: Sequence[str]) -> str:
    return " ".join(f"--only {label!r}" for label in asked)


def _known(places: Collection[Labels]) -> str:
    columns = zip(*places, strict=True)
    listed = [", ".join(dict.fromkeys(str(part) for part in column if part != "")) for column in columns]
    return "; ".join(filter(None, listed))
