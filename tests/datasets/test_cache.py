"""The cache: hit when nothing changed, missed when anything did, rebuilt when broken."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from rcekd.datasets import load
from rcekd.datasets.cache import _digest, read_cache
from rcekd.datasets.places import whole_file
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


def age(entry: Path) -> None:
    """Make an entry what versions wrote that kept no times."""
    with safe_open(entry, framework="pt") as file:
        told: dict[str, Any] = json.loads(file.metadata()["told"])
        tensors = {name: file.get_tensor(name) for name in file.keys() if not name.endswith("_time")}  # noqa: SIM118
    told = {key: value for key, value in told.items() if key not in ("times", "digest")}
    metadata = {"told": json.dumps(told | {"digest": _digest(tensors, told)}, sort_keys=True)}
    save_file(tensors, entry, metadata=metadata)


@pytest.mark.parametrize("table", [TABLE, "user,item\na,x\na,y\nb,x\nb,z\nb,y\n"])
def test_an_entry_of_before_times_is_made_again_once(
    write: Write, load: Load, tmp_path: Path, readings: list[str], table: str
) -> None:
    path, lines = write("r.csv", table), list[str]()
    good = load(path)
    (entry,) = entries(tmp_path)
    whole = entry.read_bytes()
    age(entry)
    for _ in range(2):
        found = load(path, tell=lines.append)
        assert found.fingerprint == good.fingerprint
        assert (found.times is None) == ("time" not in table)
    assert lines == ["r: prepared by a version that kept no times; preparing it once more"]
    assert readings == ["r", "r"]
    assert entry.read_bytes() == whole


def test_an_entry_of_before_times_still_opens_where_there_can_be_none(
    write: Write, load: Load, tmp_path: Path, readings: list[str]
) -> None:
    lists, table = write("lists.txt", "0 1 2 3\n1 2 3\n2 1 3 4\n"), write("r.csv", TABLE)
    wanted = [(lists, {}), (table, {"columns": {"time": "-"}}), ("synthetic", {})]
    for name, settings in wanted:
        load(name, **settings)
    for entry in entries(tmp_path):
        age(entry)
    for name, settings in wanted:
        assert load(name, **settings).times is None
    assert readings == ["lists", "r", "synthetic"]
