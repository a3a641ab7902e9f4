"""How each backbone is run through its contracts: settings worth a run of their own, and how they are trained."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rcekd.datasets import Interactions
from rcekd.training.settings import TrainSettings
from tests.contracts.board import furnished, timed


class Case(NamedTuple):
    """Settings of a model, and what of the contracts' training differs for it.

    learns: recall@10 on a 50 × 50 checkerboard that shows it has learnt. furnish: adds what it needs of the data.
    """

    settings: dict[str, Any]
    train: dict[str, Any]
    learns: float = 0.95
    furnish: Callable[[Interactions], Interactions] = lambda data: data


TRAIN = TrainSettings(epochs=60, batch_size=256, learning_rate=0.05, patience=0)

SLOWER = {"learning_rate": 0.01, "negatives": 4}

BACKBONES: dict[str, list[Case]] = {
    "mf": [Case({}, {})],
    "lightgcn": [Case({}, {}), Case({"layers": 1, "edge_dropout": 0.2}, {})],
    "bm3": [
        Case({}, {}, furnish=furnished),
        Case({"layers": 2, "dropout": 0.0, "cold": "content"}, {}, furnish=furnished),
    ],
    "sasrec": [
        Case({"dim": 16, "dropout": 0.0}, SLOWER),
        Case({"dim": 16, "blocks": 2, "heads": 2, "window": 20, "dropout": 0.1, "objective": "softmax"}, SLOWER),
    ],
    "hstu": [
        Case({"dim": 16, "dropout": 0.0, "tau": 0.2}, SLOWER),
        Case({"dim": 16, "blocks": 2, "heads": 2, "window": 20, "dropout": 0.1, "tau": 0.2}, SLOWER),
        Case({"dim": 16, "heads": 2, "dropout": 0.1, "tau": 0.2, "time_bias": True}, SLOWER, furnish=timed),
    ],
}

# Dense products whose order of adding is BLAS's own: the same bytes only for the same number of threads and rows.
ROUNDED = {"bm3", "sasrec", "hstu"}


def cases() -> list[tuple[str, Case]]:
    return [(name, case) for name, found in BACKBONES.items() for case in found]
