"""How each backbone is run through its contracts: settings worth a run of their own, and how they are trained."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rcekd.datasets import Interactions
from rcekd.training.settings import TrainSettings
from tests.contracts.board import furnished


class Case(NamedTuple):
    """Settings of a model, and what of the contracts' training differs for it.

    learns: recall@10 on a 50 × 50 checkerboard that shows it has learnt. furnish: adds what it needs of the data.
    """

    settings: dict[str, Any]
    train: dict[str, Any]
    learns: float = 0.95
    furnish: Callable[[Interactions], Interactions] = lambda data: data


TRAIN = TrainSettings(epochs=60, batch_size=256, learning_rate=0.05, patience=0)

BACKBONES: dict[str, list[Case]] = {
    "mf": [Case({}, {})],
    "lightgcn": [Case({}, {}), Case({"layers": 1, "edge_dropout": 0.2}, {})],
    "bm3": [
        Case({}, {}, furnish=furnished),
        Case({"layers": 2, "dropout": 0.0, "cold": "content"}, {}, furnish=furnished),
    ],
}

# Dense products whose order of adding is BLAS's own: the same bytes with the same number of threads only.
ROUNDED = {"bm3"}


def cases() -> list[tuple[str, Case]]:
    return [(name, case) for name, found in BACKBONES.items() for case in found]
