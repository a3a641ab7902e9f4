"""Shards: the plan, what makes a folder another's, and what a stop leaves behind."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcekd.errors import InputError
from rcekd.serving import shards

IDENTITY = {"model": "abc", "top": 10}


@given(st.integers(1, 500), st.integers(1, 120))
def test_every_user_is_in_one_shard(users: int, per_shard: int) -> None:
    planned = shards.plan(users, per_shard)
    assert [user for shard in planned for user in range(shard.start, shard.stop)] == list(range(users))
    assert len({shard.name for shard in planned}) == len(planned)
    assert planned[0].name == f"part-00000-of-{len(planned):05d}.parquet"


def test_long_lists_make_small_shards() -> None:
    assert shards.users_per_shard(10) == 100_000
    assert shards.users_per_shard(1000) == 2000
    assert shards.users_per_shard(10**9) == 1


def frame(shard: shards.Shard) -> pl.DataFrame:
    return pl.DataFrame({"user": range(shard.start, shard.stop)})


def test_going_on_after_a_stop(tmp_path: Path) -> None:
    folder, planned = tmp_path / "lists", shards.plan(10, 4)
    folder.mkdir()
    shards.open_folder(folder, IDENTITY, force=False)
    steps = shards.write_shards(folder, planned, frame)
    assert next(steps) == (planned[0], 4, False)
    steps.close()  # type: ignore[attr-defined]
    (folder / ".part-00001-of-00003.parquet.x.part").touch()
    assert not (folder / shards.DONE).exists()
    shards.open_folder(folder, IDENTITY, force=False)
    assert [written.kept for written in shards.write_shards(folder, planned, frame)] == [True, False, False]
    names = {path.name for path in folder.iterdir()}
    assert names == {shards.MANIFEST, shards.DONE, *(shard.name for shard in planned)}
    assert pl.read_parquet(folder / "*.parquet")["user"].to_list() == list(range(10))


def test_one_process_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    for _ in range(2):  # the second time after the first has let go of it
        with shards.held(folder):
            with pytest.raises(InputError, match="another process is writing lists here"), shards.held(folder):
                raise AssertionError("held already")
            assert list(folder.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write shards here"), shards.held(tmp_path / "file"):
        raise AssertionError("no folder")


def test_another_model_s_folder_is_refused_or_replaced(tmp_path: Path) -> None:
    planned = shards.plan(10, 5)
    shards.open_folder(tmp_path, IDENTITY, force=False)
    list(shards.write_shards(tmp_path, planned, frame))
    other = IDENTITY | {"model": "xyz"}
    with pytest.raises(InputError, match=r"another model.*--force"):
        shards.open_folder(tmp_path, other, force=False)
    shards.open_folder(tmp_path, other, force=True)
    assert [path.name for path in tmp_path.iterdir()] == [shards.MANIFEST]


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="not empty"):
        shards.open_folder(tmp_path, IDENTITY, force=False)
    (tmp_path / shards.MANIFEST).write_text("[")
    with pytest.raises(InputError, match="damaged"):
        shards.open_folder(tmp_path, IDENTITY, force=False)
    shards.open_folder(tmp_path, IDENTITY, force=True)
    assert (tmp_path / "thesis.tex").exists()
