"""Packages that only some commands need: imported where they are used, and missed in one line."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

from rcekd.errors import InputError


class Extra(NamedTuple):
    """What an extra installs, and what for."""

    packages: tuple[str, ...]
    purpose: str


EXTRAS: Mapping[str, Extra] = MappingProxyType(
    {
        "sweep": Extra(("optuna",), "rcekd sweep: tuning a method's settings"),
        "serving": Extra(("onnx", "onnxruntime", "usearch"), "rcekd export and serve-bench: ONNX models and indexes"),
        "plots": Extra(("matplotlib",), "pictures: rcekd profile --plot, serve-bench --plot"),
        "report": Extra(("scipy", "matplotlib"), "rcekd report: tests of differences, figures"),
        "tensorboard": Extra(("tensorboardX",), "--log-to tensorboard: curves while training"),
        "mlflow": Extra(("mlflow",), "--log-to mlflow: curves while training"),
    }
)
"""The extras of pyproject.toml that users may want; packages are imported under their own names."""


def require(module: str, extra: str, *, otherwise: str = "") -> Any:
    """The module `module`, which the extra `extra` of pyproject.toml installs. InputError where it cannot be imported.

    otherwise: what the user can do instead of installing it, e.g. "give --no-onnx".
    """
    try:
        return import_module(module)
    except ImportError as error:
        instead = f", or {otherwise}" if otherwise else ""
        raise InputError(
            f"this needs {module.split('.')[0]}, which cannot be imported ({error}): "
            f"pip install 'rcekd[{extra}]'{instead}"
        ) from error
