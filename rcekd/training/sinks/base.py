"""What a sink of curves is, and what a line of metrics.jsonl is to it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from rcekd.training.run_folder import RunFolder

Ending = Literal["finished", "stopped", "failed"]


class Sink(Protocol):
    """Takes the curves of one run. A step is the epoch as metrics.jsonl counts it, from 0."""

    def begin(self, lines: list[dict[str, Any]]) -> None:
        """The run begins, or goes on after the epochs of `lines`, which may have been taken before."""

    def line(self, line: dict[str, Any]) -> None:
        """An epoch has ended."""

    def end(self, how: Ending, results: Mapping[str, Mapping[str, float]]) -> None:
        """Nothing more will come. results: the metrics of the model that is kept, by part; empty without one."""


Open = Callable[[RunFolder], Sink]
"""Opens a sink for the run in a folder."""


def curves(line: Mapping[str, Any], above: str = "") -> dict[str, float]:
    """The numbers of a line by names that every tool takes: `valid/ndcg_at_10`, `phases/backward`.

    The epoch itself and what is no number are left out.
    """
    found: dict[str, float] = {}
    for key, value in line.items():
        name = above + str(key).replace("@", "_at_").replace(" ", "_")
        if isinstance(value, Mapping):
            found |= curves(value, f"{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "epoch":
            found[name] = float(value)
    return found
