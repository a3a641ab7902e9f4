"""A folder that appears whole or not at all: filled aside, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rcekd.errors import InputError


@contextmanager
def whole_folder(
    to: Path, *, force: bool, replaces: Collection[str] | None = None, spared: Sequence[Path] = ()
) -> Iterator[Path]:
    """An empty folder beside `to`, renamed to it on success and removed on any failure. Of a link, its target is meant.

    replaces: the names that `force` may take away; None: any.
    spared: folders that `force` must not take away; the one that the process works in is another.
    InputError where `to` is a file, holds anything (unless `force`, which replaces it) or what is not to be replaced,
    is or holds a spared folder, or cannot be written.
    """
    path = to.resolve()
    for kept in (*spared, Path.cwd()):
        if kept.resolve().is_relative_to(path):
            raise InputError(f"--to {to}: would take the place of {kept.resolve()}; choose another folder")
    if path.is_file():
        raise InputError(f"--to {to}: is a file; name a folder")
    if path.is_dir() and any(path.iterdir()) and not force:
        raise InputError(f"--to {to}: not empty; choose another folder, or give --force to replace it")
    if force and replaces is not None and path.is_dir():
        others = sorted(inner.name for inner in path.iterdir() if inner.name not in replaces)
        if others:
            raise InputError(f"--to {to}: holds {others[0]!r}, which stays; move it, or choose another folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    except OSError as error:
        raise InputError(f"--to {to}: cannot write a folder here ({error.strerror}); choose another") from error
    try:
        yield aside
        for file in aside.iterdir():
            os.chmod(file, 0o644)
            _flush(file)
        os.chmod(aside, 0o755)
        try:
            _replace(path, aside)
        except OSError as error:  # a place where something is mounted, say
            raise InputError(f"--to {to}: cannot be replaced ({error.strerror}); choose another folder") from error
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _replace(path: Path, aside: Path) -> None:
    """Rename the new folder onto the old; the old one goes only once the new one stands."""
    if not path.exists() or not any(path.iterdir()):
        os.replace(aside, path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
    try:
        os.replace(path, old)
    except OSError:
        old.rmdir()
        raise
    try:
        os.replace(aside, path)
    except OSError:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
