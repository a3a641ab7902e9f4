"""How each backbone is run through its contracts: settings worth a run of their own, and how they are trained."""

from typing import Any, NamedTuple

from rcekd.training.settings import TrainSettings


class Case(NamedTuple):
    """Settings of a model, and what of the contracts' training differs for it.

    learns: recall@10 on a 50 × 50 checkerboard that shows it has learnt.
    """

    settings: dict[str, Any]
    train: dict[str, Any]
    learns: float = 0.95


TRAIN = TrainSettings(epochs=60, batch_size=256, learning_rate=0.05, patience=0)

BACKBONES: dict[str, list[Case]] = {
    "mf": [Case({}, {})],
    "lightgcn": [Case({}, {}), Case({"layers": 1, "edge_dropout": 0.2}, {})],
}

# Dense products whose order of adding is BLAS's own: the same bytes with the same number of threads only.
ROUNDED: set[str] = set()


def cases() -> list[tuple[str, Case]]:
    return [(name, case) for name, found in BACKBONES.items() for case in found]
