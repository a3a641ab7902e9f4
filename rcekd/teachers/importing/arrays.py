"""Readers of NumPy files: a pair of .npy, an .npz archive, and `implicit`'s models, which are .npz archives.

Nothing is unpickled: an array of Python objects is refused.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rcekd.datasets.binary import one_line, read_array
from rcekd.datasets.formats import refuse_empty
from rcekd.errors import InputError
from rcekd.teachers.importing.pick import factors_from
from rcekd.teachers.importing.raw import RawFactors, as_table, as_vector, joined
from rcekd.teachers.importing.request import ImportRequest

# What implicit's MatrixFactorizationBase.save writes, whichever of its models it is.
IMPLICIT_KEYS = ("user_factors", "item_factors")


def read_npy_pair(request: ImportRequest) -> RawFactors:
    """users.npy and items.npy."""
    user_file, item_file = request.files
    user_XD = as_table(read_array(user_file), str(user_file))
    item_YD = as_table(read_array(item_file), str(item_file))
    return joined("npy", user_XD, item_YD, None, f"{user_file} and {item_file}")


def read_npz(request: ImportRequest) -> RawFactors:
    """An archive of arrays by name; one of implicit's two tables and no others is implicit's where nothing is asked."""
    (path,) = request.files
    arrays = load_npz(path)
    if request.format is None and arrays.keys() == set(IMPLICIT_KEYS):
        return _from_implicit(arrays, request, path)
    return factors_from("npz", arrays, request, str(path))


def read_implicit(request: ImportRequest) -> RawFactors:
    """A model that `implicit` has saved: ALS, BPR or logistic MF; it saves a GPU model as its CPU twin.

    implicit keeps the biases of its BPR and logistic models inside the factors, so the inner product is the score.
    InputError for an archive without its two tables.
    """
    (path,) = request.files
    arrays = load_npz(path)
    if not arrays.keys() >= set(IMPLICIT_KEYS):
        raise InputError(f"{path}: holds no {' and '.join(IMPLICIT_KEYS)}, so no matrix factorisation of implicit's")
    return _from_implicit(arrays, request, path)


def _from_implicit(arrays: Mapping[str, Any], request: ImportRequest, path: Path) -> RawFactors:
    """As of any archive, but that the tables' names are known: one with a single factor is a table too."""
    user, item = IMPLICIT_KEYS
    named = replace(request, user_key=request.user_key or user, item_key=request.item_key or item)
    return factors_from("implicit", arrays, named, str(path))


def read_bias_file(path: Path) -> Any:
    """Item biases in a .npy file, float32 [Y]."""
    return as_vector(read_array(path), str(path))


def load_npz(path: Path) -> dict[str, Any]:
    """All arrays of an archive that hold numbers."""
    refuse_empty(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not hasattr(archive, "files"):
                raise InputError(f"{path}: one array, not an archive; give a .npy file for users and one for items")
            # Scalars and texts are a model's settings; reading an array of objects raises, so only what is wanted is.
            return {name: array for name in archive.files if (array := _numbers(archive, name)) is not None}
    except InputError:
        raise
    except Exception as error:  # NumPy raises what its readers raise: zipfile's, zlib's
        raise InputError(f"{path}: not an .npz archive of arrays ({one_line(error)[:120]})") from error


def _numbers(archive: Any, name: str) -> Any:
    """An array of the archive; None for what is no array of numbers."""
    try:
        array = archive[name]
    except ValueError:  # Python objects
        return None
    return array if array.ndim and array.dtype.kind in "fiu" else None
