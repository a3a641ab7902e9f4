"""Which format the files are in, judged by how many they are, their names, and what they hold."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rcekd.errors import InputError
from rcekd.teachers.importing.arrays import read_implicit, read_npy_pair, read_npz
from rcekd.teachers.importing.raw import RawFactors, RawLists
from rcekd.teachers.importing.request import FORMATS, FormatName, ImportRequest, format_named
from rcekd.teachers.importing.tensors import read_recbole, read_safetensors, read_torch
from rcekd.teachers.importing.toplists import read_lists
from rcekd.teachers.importing.vectors import read_vectors

_READERS: Mapping[FormatName, Callable[[ImportRequest], RawFactors | RawLists]] = MappingProxyType(
    {
        "npy": read_npy_pair,
        "npz": read_npz,
        "implicit": read_implicit,
        "safetensors": read_safetensors,
        "torch": read_torch,
        "recbole": read_recbole,
        "vectors": read_vectors,
        "lists": read_lists,
    }
)
_PAIRS = ("npy", "vectors")
_BY_COLUMN = ("vectors", "lists")
_TORCH = (".pt", ".pth", ".bin", ".ckpt", ".th")
_TABLES = (".parquet", ".pq", ".csv", ".tsv", ".txt")


def read(request: ImportRequest) -> RawFactors | RawLists:
    """What the files hold. InputError where they cannot be read as the format asked for, or the one they look like."""
    name = guess_format(request) if request.format is None else format_named(request.format)
    expected = 2 if name in _PAIRS else 1
    if len(request.files) != expected:
        given = ", ".join(str(path) for path in request.files)
        wanted = "two files, the users' and the items'" if expected == 2 else "one file"
        raise InputError(f"format {name} is {wanted}; given: {given}")
    _refuse_idle_options(request, name)
    return _READERS[name](request)


def guess_format(request: ImportRequest) -> FormatName:
    """The format by suffix; whether an .npz is implicit's its reader sees. InputError where the suffix says nothing."""
    suffixes = {path.suffix.lower() for path in request.files}
    if len(request.files) == 2:
        if suffixes == {".npy"}:
            return "npy"
        if suffixes <= {".parquet", ".pq"}:
            return "vectors"
    elif len(suffixes) == 1:
        (suffix,) = suffixes
        if suffix == ".npy":
            raise InputError(f"{request.files[0]}: one table of two; give the users' file and then the items'")
        if suffix == ".npz":
            return "npz"
        if suffix == ".safetensors":
            return "safetensors"
        if suffix in _TORCH:
            return "torch"
        if suffix in _TABLES:
            return "lists"
    given = ", ".join(str(path) for path in request.files)
    raise InputError(f"{given}: the format is not plain from the name; say --format, one of {', '.join(FORMATS)}")


def _refuse_idle_options(request: ImportRequest, name: FormatName) -> None:
    """InputError for an option that says nothing about the format, rather than passing over it."""
    of_factors, of_lists = name != "lists", name == "lists"
    by_key, by_column = name not in (*_PAIRS, "lists"), name in _BY_COLUMN
    concerned = {
        "user_ids": of_factors,
        "item_ids": of_factors,
        "item_bias": of_factors,
        "user_key": by_key,
        "item_key": by_key,
        "user_column": by_column,
        "item_column": by_column,
        "score_column": of_lists,
        "rank_column": of_lists,
    }
    for option, is_used in concerned.items():
        if getattr(request, option) is not None and not is_used:
            where = " and ".join(str(path) for path in request.files)
            read_as = "top-N lists" if of_lists else f"format {name}"
            written = f"--{option.replace('_', '-')}"
            raise InputError(f"{where}: read as {read_as}, which {written} does not concern; leave it out")
