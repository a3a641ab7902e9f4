"""How long the rest of an experiment takes, told by the nearest kin of each cell that is left."""

from pathlib import Path

import pytest

from rcekd.experiments.cells import CellFolder
from rcekd.experiments.forecast import Forecast, forecast
from rcekd.experiments.plan import Cell, Labels, parse_experiment

GRID = {
    "datasets": ["synthetic", "ml-100k"],
    "pairs": ["mf-mf", "lightgcn-mf"],
    "methods": ["none", "ce"],
    "variants": ["", {"label": "thin", "set": {"student.dim": 5}}],
    "seeds": [0, 1, 2],
}
CELLS = list(parse_experiment("mine", GRID, None, "mine.yaml").cells())


class Told(CellFolder):
    """Cells that took so many seconds, by their labels."""

    def __init__(self, took: dict[Labels, float]) -> None:
        super().__init__(Path("nowhere"))
        self._took = took

    def seconds(self, cell: Cell) -> float | None:
        return self._took.get(cell.labels)

    def is_done(self, cell: Cell) -> bool:
        return cell.labels in self._took


def left(took: dict[Labels, float], *labels: Labels) -> Forecast:
    """What is left of these cells, those that are done among them."""
    wanted = [*took, *labels]
    return forecast([cell for cell in CELLS if cell.labels in wanted], Told(took), CELLS)


def cell(method: str, variant: str = "", seed: int = 0, dataset: str = "synthetic", pair: str = "mf-mf") -> Labels:
    return Labels(dataset, pair, method, variant, seed)


@pytest.mark.parametrize(
    ("wanted", "seconds"),
    [
        (cell("ce", seed=2), 10.0),
        (cell("ce", "thin"), 12.0),  # the median of the other variant's two, not their mean with another method's
        (cell("none"), 14.0),  # of the students of its pair, of any method
        (cell("none", pair="lightgcn-mf"), 14.0),  # of the whole dataset, teachers and all
    ],
    ids=str,
)
def test_a_cell_takes_as_long_as_its_nearest_kin(wanted: Labels, seconds: float) -> None:
    took = {cell("ce"): 10.0, cell("ce", seed=1): 14.0, cell("teacher"): 500.0}
    if wanted == cell("ce", seed=2):
        took = {cell("ce"): 10.0, cell("ce", "thin"): 90.0, cell("ce", "thin", seed=1): 90.0}
    elif wanted != cell("ce", "thin"):
        took |= {cell("ce", seed=2): 14.0}
    assert left(took, wanted)[:2] == (seconds, 0)


def test_what_is_done_is_not_counted_and_what_has_no_kin_is_unknown() -> None:
    took = {cell("ce"): 10.0}
    assert left(took) == Forecast(0.0, 0)
    strangers = [cell("ce", dataset="ml-100k", seed=seed) for seed in (0, 1)]
    assert left(took, cell("ce", seed=1), cell("ce", seed=2), *strangers) == Forecast(20.0, 2, teachers=4)


def test_cells_that_are_not_to_be_run_now_tell_how_long_the_others_take() -> None:
    cells = [found for found in CELLS if found.labels == cell("ce", seed=2)]
    assert forecast(cells, Told({cell("ce"): 10.0}), CELLS) == Forecast(10.0, 0, teachers=1)


def test_teachers_that_have_no_cell_to_be_done_are_counted_once() -> None:
    took = {cell("ce"): 10.0}
    assert left(took, cell("ce", "thin"), cell("none", seed=1)).teachers == 0, "of seed 0 it is there"
    assert left(took, cell("ce", seed=1), cell("ce", "thin", seed=1), cell("ce", seed=2)).teachers == 2
    assert left(took, cell("ce", seed=1), cell("teacher", seed=1)).teachers == 0


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (Forecast(0.0, 0), "about 0 min"),
        (Forecast(3540.0, 0), "about 59 min"),
        (Forecast(3600.0, 0), "about 1 h 00 min"),
        (Forecast(0.0, 3), "unknown for 3 cells, until one like them is done"),
        (Forecast(60.0, 0, 2), "about 1 min, beside up to 2 teachers that have no cell here"),
        (Forecast(9 * 3600 + 301.0, 3), "about 9 h 05 min and 3 cells of unknown length"),
    ],
    ids=str,
)
def test_it_is_told_in_hours_and_minutes(found: Forecast, says: str) -> None:
    assert str(found) == says
