"""Which format files are in, and options that say nothing about it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rcekd.errors import InputError
from rcekd.teachers.importing import read
from tests.teachers.importing.aid import npz, request, tables

KEYS, COLUMNS = ("user_key", "item_key"), ("user_column", "item_column")
OF_LISTS, OF_FACTORS = ("score_column", "rank_column"), ("user_ids", "item_ids", "item_bias")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, tuple[Path, ...]]:
    """A file, or a pair, of several formats."""
    user_UD, item_ID = tables()
    pairs = {suffix: (tmp_path / f"u.{suffix}", tmp_path / f"i.{suffix}") for suffix in ("npy", "parquet")}
    for side, table in enumerate((user_UD, item_ID)):
        np.save(pairs["npy"][side], table.numpy())
        pl.DataFrame({"id": range(len(table)), "vector": table.tolist()}).write_parquet(pairs["parquet"][side])
    (tmp_path / "top.csv").write_text("user,item,score\n1,2,3\n")
    return {
        "npy": pairs["npy"],
        "vectors": pairs["parquet"],
        "npz": (npz(tmp_path / "m.npz", user=user_UD, item=item_ID),),
        "lists": (tmp_path / "top.csv",),
    }


@pytest.mark.parametrize(
    ("name", "idle"),
    [
        ("npy", (*KEYS, *COLUMNS, *OF_LISTS)),
        ("vectors", (*KEYS, *OF_LISTS)),
        ("npz", (*COLUMNS, *OF_LISTS)),
        ("lists", (*KEYS, *OF_FACTORS)),
    ],
)
def test_an_option_of_another_format_is_refused(
    files: dict[str, tuple[Path, ...]], name: str, idle: tuple[str, ...]
) -> None:
    assert read(request(*files[name])).format == name
    for option in idle:
        written = f"--{option.replace('_', '-')}"
        with pytest.raises(InputError, match=f"read as .*, which {written} does not concern; leave it out"):
            read(request(*files[name], **{option: "user"}))
