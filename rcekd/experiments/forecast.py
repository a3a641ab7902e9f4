"""How long the rest of an experiment will take, from the cells that are done."""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rcekd.experiments.cells import CellFolder
from rcekd.experiments.plan import TEACHER, Cell, Labels

# From the nearest kin to the farthest: what two cells share when one's time is taken for the other's.
KINSHIPS: list[Callable[[Labels], tuple[str, ...]]] = [
    lambda labels: (labels.dataset, labels.pair, labels.method, labels.variant),
    lambda labels: (labels.dataset, labels.pair, labels.method),
    lambda labels: (labels.dataset, labels.pair, str(labels.method == "teacher")),
    lambda labels: (labels.dataset,),
]


class Forecast(NamedTuple):
    """Seconds of training that are left, over the cells whose time can be guessed, and how many cannot.

    teachers: how many that have no cell of their own here are trained on the way, unless their runs are there already.
    """

    seconds: float
    unknown: int
    teachers: int = 0

    def __str__(self) -> str:
        beside = f", beside up to {self.teachers} teachers that have no cell here" if self.teachers else ""
        if self.unknown and not self.seconds:
            return f"unknown for {self.unknown} cells, until one like them is done{beside}"
        hours, minutes = divmod(round(self.seconds / 60), 60)
        text = f"about {hours} h {minutes:02d} min" if hours else f"about {minutes} min"
        return text + (f" and {self.unknown} cells of unknown length" if self.unknown else "") + beside


def forecast(cells: Sequence[Cell], folder: CellFolder, kin: Sequence[Cell]) -> Forecast:
    """The training that `cells` still want, one after the other: each as long as the median of its nearest kin.

    kin: the cells of the whole experiment. Those that are not to be run now tell how long the others take.
    """
    known = {cell.labels: seconds for cell in kin if (seconds := folder.seconds(cell)) is not None}
    left = [cell for cell in cells if not folder.is_done(cell)]
    guesses = [_guess(cell.labels, known) for cell in left]
    own = {cell.identity for cell in cells if cell.is_teacher}
    trained = {_teacher(cell) for cell in kin if folder.is_done(cell)}
    on_the_way = {_teacher(cell) for cell in left} - {None} - own - trained
    return Forecast(sum(guess for guess in guesses if guess is not None), guesses.count(None), len(on_the_way))


def _teacher(cell: Cell) -> str | None:
    """Identity of the cell that trains the teacher this one needs; None for a student alone."""
    if cell.settings.method.name == "none" and not cell.is_teacher:
        return None
    return cell._replace(labels=cell.labels._replace(method=TEACHER)).identity


def _guess(labels: Labels, known: dict[Labels, float]) -> float | None:
    for kinship in KINSHIPS:
        kin = [seconds for other, seconds in known.items() if kinship(other) == kinship(labels)]
        if kin:
            return statistics.median(kin)
    return None
