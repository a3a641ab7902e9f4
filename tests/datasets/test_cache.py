"""The cache: hit when nothing changed, missed when anything did, rebuilt when broken."""

from pathlib import Path

import polars as pl
import pytest

from rcekd.datasets import DataSettings, load
from rcekd.datasets.cache import read_cache
from rcekd.datasets.places import whole_file
from rcekd.datasets.source import Source
from rcekd.errors import InputError
from tests.datasets.aid import Load, Refuse, Write

TABLE = "user,item,time\na,x,1\na,y,2\nb,x,3\nb,z,4\nb,y,5\n"


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "prepared").iterdir())


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of every source that was read, rather than found in the cache."""
    seen: list[str] = []
    read = load.read_source
    monkeypatch.setattr(
        load, "read_source", lambda source, settings: seen.append(source.name) or read(source, settings)
    )
    return seen


def test_second_load_is_from_the_cache_and_the_same(write: Write, load: Load, readings: list[str]) -> None:
    path = write("r.csv", TABLE)
    first, second = load(path), load(path)
    assert readings == ["r"]
    assert first.user_ids.equals(second.user_ids)
    assert first.item_ids.equals(second.item_ids)
    for name in ("name", "split", "n_users", "n_items", "fingerprint", "preparation"):
        assert getattr(first, name) == getattr(second, name)
    for part in ("train", "valid", "test", "seen"):
        for mine, theirs in zip(getattr(first, part), getattr(second, part), strict=True):
            assert mine.equal(theirs)
    assert first.times is not None
    assert second.times is not None
    assert first.times.digest == second.times.digest
    assert all(mine.equal(theirs) for mine, theirs in zip(first.times[:3], second.times[:3], strict=True))


@pytest.mark.parametrize(
    "settings",
    [
        {"split": "random"},
        {"split_seed": 1},
        {"valid_share": 0.2},
        {"user_core": 3},
        {"duplicates": "keep"},
        {"columns": {"time": "-"}},
        {"separator": ","},
        {"format": "csv"},
    ],
)
def test_other_settings_are_other_entries(
    write: Write, load: Load, readings: list[str], settings: dict[str, object]
) -> None:
    path = write("r.csv", TABLE)
    load(path)
    load(path, **settings)
    assert readings == ["r", "r"]


def test_a_changed_file_is_read_again(write: Write, load: Load) -> None:
    before = load(write("r.csv", TABLE))
    after = load(write("r.csv", TABLE + "c,x,6\n"))
    assert (before.n_users, after.n_users) == (2, 3)


def test_synthetic_depends_on_its_own_settings_only_there(write: Write, load: Load, readings: list[str]) -> None:
    path = write("r.csv", TABLE)
    load(path)
    load(path, synthetic={"seed": 1})
    load("synthetic", synthetic={"users": 9})
    load("synthetic", synthetic={"users": 8})
    assert readings == ["r", "synthetic", "synthetic"]


def test_any_flipped_byte_is_noticed(write: Write, load: Load, tmp_path: Path, readings: list[str]) -> None:
    path = write("r.csv", TABLE)
    good = load(path)
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    for place in range(0, len(whole), 7):
        entry.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        found = read_cache(entry)
        assert found is None or (found.fingerprint, found.name) == (good.fingerprint, good.name)
    entry.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert load(path).fingerprint == good.fingerprint
    assert readings == ["r", "r"]
    assert entry.read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 100])
def test_a_truncated_or_foreign_entry_is_rebuilt(write: Write, load: Load, tmp_path: Path, content: bytes) -> None:
    path = write("r.csv", TABLE)
    good = load(path)
    (entry,) = entries(tmp_path)
    for broken in (content, entry.read_bytes()[:-9]):
        entry.write_bytes(broken)
        assert load(path).fingerprint == good.fingerprint


def test_nothing_but_the_entry_is_left(write: Write, load: Load, tmp_path: Path) -> None:
    load(write("r.csv", TABLE))
    (entry,) = entries(tmp_path)
    assert entry.name.startswith("r-")
    assert entry.suffix == ".safetensors"


def test_an_unwritable_cache_is_one_line(write: Write, refuse: Refuse, tmp_path: Path) -> None:
    write("cache", "a file where the folder should be")
    message = refuse(write("r.csv", TABLE))
    assert message.startswith(f"cannot write {tmp_path}/cache/prepared/r-")
    assert "set RCEKD_CACHE_DIR" in message


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    def fill() -> None:
        with whole_file(tmp_path / "f") as aside:
            aside.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left on device; make room"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    write: Write, refuse: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = write("r.csv", TABLE), load.read_source

    def read_and_replace(source: Source, settings: DataSettings) -> pl.DataFrame:
        table = read(source, settings)
        write("r.csv", TABLE + "c,x,6\n")
        return table

    monkeypatch.setattr(load, "read_source", read_and_replace)
    assert "changed while it was read" in refuse(path)
    assert not (tmp_path / "cache" / "prepared").exists()
