"""From what the user typed (a name or a path) to the files that hold it."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rcekd.datasets.catalog import CATALOG, CatalogEntry, Part
from rcekd.datasets.download import file_sha256, obtain
from rcekd.datasets.formats import TABLE_SUFFIXES
from rcekd.datasets.places import Places, at_home
from rcekd.datasets.settings import DataSettings, FormatName
from rcekd.errors import InputError, nearest


@dataclass(frozen=True)
class SourceFile:
    """One raw file and the part of a given split that it is, if any."""

    path: Path
    part: Part | None = None


@dataclass(frozen=True)
class Source:
    """Everything that reading needs. `format` is None where it has to be guessed from the files."""

    name: str
    files: tuple[SourceFile, ...]
    defaults: DataSettings
    format: FormatName | None = None


_PART_NAMES: dict[str, Part] = {
    "train": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}
# train.txt, or name.train.inter as RecBole's ready-made splits are called.
_PART_FILE = re.compile(rf"^(?:.+\.)?({'|'.join(_PART_NAMES)})\.\w+$")
# In a folder with several tables these are the interactions.
_MAIN_STEMS = ("ratings", "interactions", "users", "reviews", "events")


def find_source(name_or_path: str, places: Places) -> Source:
    """A catalogue name, else an existing path, else a folder or file of that name in the data folder.

    Files of the catalogue are downloaded where they are not at hand. Raises InputError where nothing is found.
    """
    entry = CATALOG.get(name_or_path)
    if entry is not None:
        return _from_catalog(entry, places)
    for path in (at_home(name_or_path), places.data_dir / name_or_path):
        if name_or_path and os.path.exists(path):  # unlike Path's, never raises
            return _from_path(path)
    if "/" in name_or_path or "\\" in name_or_path or Path(name_or_path).suffix:
        raise InputError(
            f"dataset {name_or_path!r}: no such file or folder, nor a dataset{nearest(name_or_path, CATALOG)}"
        )
    raise InputError(f"unknown dataset {name_or_path!r}{nearest(name_or_path, CATALOG)}; or give a path")


def _from_catalog(entry: CatalogEntry, places: Places) -> Source:
    folder = places.data_dir / entry.name
    parts = [file for file in entry.files if file.part is not None and os.path.isfile(folder / file.name)]
    downloaded = folder == places.downloads / entry.name
    if any(not downloaded or file_sha256(folder / file.name) != file.sha256 for file in parts):
        # The user's own release of the dataset, perhaps another: its parts must not be mixed with downloaded ones.
        files = _in_folder(folder)
    else:
        files = tuple(SourceFile(obtain(entry, file, places), file.part) for file in entry.files)
    return Source(entry.name, files, entry.defaults, entry.format)


def lasting_path(path: Path) -> Path:
    """The path absolute and with its links followed, so that it means the same in any folder and when a link moves.

    A file in a store that names files by their digest has no suffix there, so it is called as its link is.
    """
    real = path.resolve()
    in_store = real.suffix.lower() not in TABLE_SUFFIXES and path.suffix.lower() in TABLE_SUFFIXES
    return path.parent.resolve() / path.name if in_store and real.is_file() else real


def _from_path(path: Path) -> Source:
    path = lasting_path(path)
    if path.is_dir():
        return Source(path.name, _in_folder(path), DataSettings())
    return Source(path.stem, (SourceFile(path),), DataSettings())


def _in_folder(folder: Path) -> tuple[SourceFile, ...]:
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in TABLE_SUFFIXES)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from error
    parts = _parts(folder, names)
    if parts:
        return parts
    for stem in (*_MAIN_STEMS, folder.name):
        chosen = [name for name in names if Path(name).stem.lower() == stem.lower()]
        if len(chosen) == 1:
            return (SourceFile(folder / chosen[0]),)
    if len(names) == 1:
        return (SourceFile(folder / names[0]),)
    held = f"it holds {', '.join(names[:6])}" if names else "it holds no table or user list"
    raise InputError(
        f"{folder}: no train and test files, nor one that is clearly the interactions ({held}); name the file"
    )


def _parts(folder: Path, names: Iterable[str]) -> tuple[SourceFile, ...]:
    found: dict[Part, str] = {}
    for name in names:
        match = _PART_FILE.match(name.lower())
        if match is None:
            continue
        part = _PART_NAMES[match[1]]
        if part in found:
            raise InputError(f"{folder}: both {found[part]} and {name} look like the {part} part; remove one")
        found[part] = name
    if not found:
        return ()
    for needed in ("train", "test"):
        if needed not in found:
            raise InputError(f"{folder}: a split folder without a {needed} file; add {needed}.txt, or name one file")
    order: tuple[Part, ...] = ("train", "valid", "test")
    return tuple(SourceFile(folder / found[part], part) for part in order if part in found)
