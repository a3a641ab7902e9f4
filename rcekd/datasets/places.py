"""Where raw data is looked for and where prepared data is kept."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pooch

from rcekd.errors import InputError


@dataclass(frozen=True)
class Places:
    """`data_dir`: the user's raw files, only read. `cache_dir`: downloads (`data/`) and prepared data (`prepared/`)."""

    data_dir: Path
    cache_dir: Path

    @staticmethod
    def find(data_dir: Path | None, cache_dir: Path | None) -> "Places":
        """Fill what is not given: RCEKD_DATA_DIR and RCEKD_CACHE_DIR, else the platform's cache folder of the user."""
        cache = cache_dir or _from_environment("RCEKD_CACHE_DIR") or Path(pooch.os_cache("rcekd"))
        data = data_dir or _from_environment("RCEKD_DATA_DIR") or cache / "data"
        return Places(data_dir=at_home(data), cache_dir=at_home(cache))

    @property
    def downloads(self) -> Path:
        return self.cache_dir / "data"

    @property
    def prepared(self) -> Path:
        return self.cache_dir / "prepared"


def at_home(path: str | Path) -> Path:
    """With ~ and ~name as home folders; as it is where there is no such user, over which Path.expanduser raises."""
    return Path(os.path.expanduser(path))


@contextmanager
def whole_file(path: Path, remedy: str = "make room there or set RCEKD_CACHE_DIR") -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it on success: the file appears whole or not at all.

    Raises InputError, ending with `remedy`, where the folder cannot be made or written, or the disk is full.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        os.replace(aside, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {path}: {reason}; {remedy}") from error
    finally:
        _remove_quietly(aside)


def _remove_quietly(path: Path) -> None:
    # Cleaning up must not hide the error that is on its way.
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _from_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None
