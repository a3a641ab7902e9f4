"""Reading Parquet and NumPy files, with whatever is wrong inside them told as the user's one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from polars.exceptions import PanicException, PolarsError

from rcekd.datasets.formats import refuse_empty
from rcekd.errors import InputError


@contextmanager
def reading_parquet(path: Path) -> Iterator[None]:
    """Around everything that reads the Parquet file at `path`. InputError for a missing, empty or damaged one."""
    refuse_empty(path)
    try:
        yield
    except (PolarsError, OSError, PanicException) as error:  # a panic, over damaged bytes, is no Exception
        raise InputError(f"{path}: not a readable Parquet file ({one_line(error)}); export it again") from error


def read_array(path: Path) -> np.ndarray[Any, Any]:
    """The array of a .npy file; nothing is unpickled. InputError for any other file."""
    refuse_empty(path)
    try:
        found = np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy raises what its readers raise, those of zip archives among them
        reason = one_line(error)[:120]
        raise InputError(f"{path}: not a .npy file of numbers ({reason}); save it with numpy.save") from error
    if not isinstance(found, np.ndarray):
        raise InputError(f"{path}: an archive of arrays; save the one that is to be used with numpy.save")
    return found


def one_line(error: BaseException) -> str:
    """An error of a library in its own words, as a short single line."""
    return " ".join(str(error).split())[:200]
