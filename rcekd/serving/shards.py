"""Top-N lists of all users as a folder of Parquet shards, made one by one and not made twice.

manifest.json, written first, ties the folder to one model, data and settings; a shard appears whole under its own name;
_SUCCESS comes last. Whoever starts again with the same model and settings makes only the shards that are missing.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import polars as pl

from rcekd.datasets.binary import reading_parquet
from rcekd.errors import InputError
from rcekd.training.files import write_bytes, write_json, write_whole

MANIFEST = "manifest.json"
DONE = "_SUCCESS"
FORMAT = 1
_ROWS = 2_000_000  # listed items in a shard: about 100 MB at work
_MOST_USERS = 100_000


class Shard(NamedTuple):
    """Users start … stop − 1 in a file of their own."""

    name: str
    start: int
    stop: int


class Written(NamedTuple):
    """What a shard came to: its users and rows, and whether it was there already."""

    shard: Shard
    rows: int
    kept: bool


def users_per_shard(k: int) -> int:
    """So many users that a shard with k items each stays small."""
    return max(1, min(_MOST_USERS, _ROWS // k))


def plan(n_users: int, per_shard: int) -> list[Shard]:
    """All shards of a folder, in the order of the users."""
    starts = range(0, n_users, per_shard)
    name = "part-{:05d}-of-{:05d}.parquet"
    return [Shard(name.format(n, len(starts)), s, min(s + per_shard, n_users)) for n, s in enumerate(starts)]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Make the folder and hold it against other processes. InputError where it cannot be made, or one works in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{folder}: cannot write shards here ({error.strerror}); choose another --to") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{folder}: another process is writing lists here; wait for it to end") from error
        except OSError:  # a network's file system that locks no folders: nobody is kept out
            pass
        yield
    finally:
        os.close(descriptor)


def open_folder(folder: Path, identity: dict[str, Any], *, force: bool) -> None:
    """Begin lists with this identity in a folder, or find them begun. InputError where it holds anything else.

    force: remove another model's shards instead of refusing them.
    """
    present = sorted(path.name for path in folder.iterdir())
    wanted = {"format": FORMAT, **identity}
    if MANIFEST in present:
        differing = _differing(folder / MANIFEST, wanted)
        if not differing:
            return
        if not force:
            raise InputError(f"{folder}: holds other lists ({differing}); choose another --to, or give --force")
    elif present and not force:
        raise InputError(f"{folder}: not empty, and no folder of lists; choose another --to")
    # The manifest goes first: a folder without one is never taken for a whole one.
    for stale in [folder / MANIFEST, folder / DONE, *folder.glob("part-*-of-*.parquet")]:
        stale.unlink(missing_ok=True)
    write_json(folder / MANIFEST, wanted)


def write_shards(folder: Path, shards: list[Shard], make: Callable[[Shard], pl.DataFrame]) -> Iterator[Written]:
    """Make what is missing, one shard in memory at a time; yields after each, kept ones included.

    The folder is to be held meanwhile.
    """
    for stale in folder.glob(".*.part"):  # what a kill cut short; nobody else writes here now
        stale.unlink(missing_ok=True)
    for shard in shards:
        path = folder / shard.name
        kept = path.is_file()
        if not kept:
            write_frame(path, make(shard))
        yield Written(shard, _rows(path), kept)
    write_bytes(folder / DONE, b"")


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """A Parquet file, whole or not at all."""

    def write(file: BinaryIO) -> None:
        frame.write_parquet(file)

    write_whole(path, write)


def _rows(path: Path) -> int:
    with reading_parquet(path):
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def _differing(manifest: Path, wanted: dict[str, Any]) -> str:
    """Which keys of a manifest are not as wanted, as text; "" where all are."""
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "its manifest.json is damaged"
    if not isinstance(found, dict):
        return "its manifest.json is damaged"
    keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    return "another " + ", ".join(keys) if keys else ""
