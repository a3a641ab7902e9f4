"""Which format a file is in, judged by its name and its first lines."""

import os
from collections.abc import Sequence
from pathlib import Path

from rcekd.datasets.settings import FormatName
from rcekd.errors import InputError

# RecBole and Parquet are told by name; text is told by looking at it.
_BY_SUFFIX: dict[str, FormatName] = {".inter": "recbole", ".parquet": "parquet", ".pq": "parquet", ".csv": "csv"}
TABLE_SUFFIXES = (*_BY_SUFFIX, ".tsv", ".txt", ".dat")
DIGITS = 18  # that any whole number of int64 may have
_LOOK_AT = 100
_HEADER_LIMIT = 65536
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh9", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ")  # gzip, zip, bzip2, zstd, xz


def guess_formats(paths: Sequence[Path]) -> list[FormatName]:
    """Of each of a dataset's files, by suffix, else: tabs or words in the first line mean a table with a header.

    Numbers mean user lists, which are CiteULike's where the first number of a line counts the others, else LightGCN's.
    Most lines of a file decide, so that one broken line is reported as such rather than changing the format; and a
    file whose lines do not count themselves settles it for all, as a short one's may do so by chance.
    """
    found = [_table_format(path) for path in paths]
    lists = [_first_lines(path) for path, table in zip(paths, found, strict=True) if table is None]
    counted = all(2 * sum(map(_counts_itself, lines)) > len(lines) for lines in lists)
    return [table or ("citeulike" if counted else "lightgcn") for table in found]


def _table_format(path: Path) -> FormatName | None:
    """None for user lists."""
    by_suffix = _BY_SUFFIX.get(path.suffix.lower())
    if by_suffix is not None:
        return by_suffix
    first = _first_lines(path)[0]
    marked = any(mark in first for mark in ("\t", ",", ";", "|"))
    return "csv" if marked or not all(map(_is_integer, first.split())) else None


def header_line(path: Path) -> str:
    """The first line without its end. Raises InputError for a missing, empty or binary file, and for JSON."""
    refuse_empty(path)
    with path.open("rb") as file:
        line = file.readline(_HEADER_LIMIT)
    if line.startswith(_COMPRESSED):
        raise InputError(f"{path}: a compressed file; unpack it first")
    try:
        header = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}, line 1: not UTF-8 text; convert the file to UTF-8") from None
    _refuse_json(path, header)
    return header


def _refuse_json(path: Path, header: str) -> None:
    """The fields of an object would pass for names of columns."""
    if header.lstrip(" [").startswith("{"):
        reader = "read_json" if header.lstrip().startswith("[") else "read_ndjson"
        raise InputError(
            f"{path}, line 1: JSON, which is not read; convert it to CSV or Parquet, as by "
            f"polars.{reader}({path.name!r}).write_parquet({path.with_suffix('.parquet').name!r})"
        )


def guess_separator(header: str) -> str:
    """The one of tab, comma, semicolon and bar that occurs most; a space only where there is none of them."""
    best = max("\t,;|", key=header.count)
    return best if best in header else " "


def refuse_empty(path: Path) -> None:
    """Raise InputError where there is no file at `path`, or nothing in it, or its name is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:  # Polars and the terminal take no other names
        raise InputError(f"{str(path)!a}: the name is not UTF-8; rename the file") from None
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if empty:
        raise InputError(f"{path}: the file is empty; download or export it again")


def _first_lines(path: Path) -> list[str]:
    header_line(path)
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [line.rstrip("\r\n") for line, _ in zip(file, range(_LOOK_AT), strict=False)]
    filled = [line for line in lines if line.strip()]
    if not filled:
        raise InputError(f"{path}: the file holds nothing but blank lines")
    return filled


def _counts_itself(line: str) -> bool:
    tokens = line.split()
    return bool(tokens) and tokens[0].isdecimal() and len(tokens[0]) <= DIGITS and int(tokens[0]) == len(tokens) - 1


def _is_integer(word: str) -> bool:
    return word.removeprefix("-").isdecimal()
