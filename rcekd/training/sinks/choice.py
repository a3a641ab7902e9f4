"""The sinks by name, and what --log-to says of them."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from rcekd.errors import InputError, nearest
from rcekd.training.run_folder import RunFolder
from rcekd.training.sinks.base import Open, Sink
from rcekd.training.sinks.mlflow import MLflow
from rcekd.training.sinks.tensorboard import TensorBoard

SINKS: Mapping[str, Callable[[RunFolder, str | None], Sink]] = MappingProxyType(
    {"tensorboard": TensorBoard, "mlflow": MLflow}
)


def parse_sink(text: str) -> Open:
    """`tensorboard`, `tensorboard:FOLDER`, `mlflow` or `mlflow:URI`. InputError for any other name."""
    name, _, place = text.partition(":")
    if name not in SINKS:
        raise InputError(f"--log-to {text!r}: unknown{nearest(name, SINKS)}; e.g. tensorboard, or mlflow:URI")
    return partial(_open, SINKS[name], place or None)


def _open(make: Callable[[RunFolder, str | None], Sink], place: str | None, folder: RunFolder) -> Sink:
    return make(folder, place)
