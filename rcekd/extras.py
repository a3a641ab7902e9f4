"""Packages that only some commands need: imported where they are used, and missed in one line."""

from importlib import import_module
from typing import Any

from rcekd.errors import InputError


def require(module: str, extra: str, *, otherwise: str = "") -> Any:
    """The module `module`, which the extra `extra` of pyproject.toml installs. InputError where it is not there.

    otherwise: what the user can do instead of installing it, e.g. "give --no-onnx".
    """
    try:
        return import_module(module)
    except ImportError as error:
        instead = f", or {otherwise}" if otherwise else ""
        raise InputError(
            f"this needs {module.split('.')[0]}, which is not here ({error}): pip install 'rcekd[{extra}]'{instead}"
        ) from error
