"""A folder that appears whole or not at all: filled aside, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rcekd.errors import InputError


@contextmanager
def whole_folder(path: Path, *, force: bool) -> Iterator[Path]:
    """An empty folder beside `path`, renamed to it on success and removed on any failure.

    InputError where `path` is a file, holds anything (unless `force`, which replaces it), or cannot be written.
    """
    if path.is_file():
        raise InputError(f"--to {path}: is a file; name a folder")
    if path.is_dir() and any(path.iterdir()) and not force:
        raise InputError(f"--to {path}: not empty; choose another folder, or give --force to replace it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    except OSError as error:
        raise InputError(f"--to {path}: cannot write a folder here ({error.strerror}); choose another") from error
    try:
        yield aside
        for file in aside.iterdir():
            os.chmod(file, 0o644)
            _flush(file)
        os.chmod(aside, 0o755)
        _replace(path, aside)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _replace(path: Path, aside: Path) -> None:
    """Rename the new folder onto the old; the old one goes only once the new one stands."""
    if not path.exists() or not any(path.iterdir()):
        os.replace(aside, path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
    os.replace(path, old)
    try:
        os.replace(aside, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
