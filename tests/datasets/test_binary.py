"""Damaged Parquet and NumPy files."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.exceptions import PanicException

from rcekd.datasets.binary import read_array, reading_parquet
from rcekd.errors import InputError


def test_whatever_bytes_of_a_parquet_file_are_overwritten_it_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    pl.DataFrame({"user": list(range(100)), "item": list("ab") * 50, "time": [0.5] * 100}).write_parquet(path)
    whole, choose = path.read_bytes(), random.Random(0)
    refusals = []
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(choose.randint(1, 4)):
            damaged[choose.randrange(len(damaged))] = choose.randrange(256)
        path.write_bytes(damaged)
        try:
            with reading_parquet(path):
                pl.read_parquet(path)
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 20
    assert all(len(refusal.splitlines()) == 1 for refusal in refusals)


def test_a_panic_is_the_files_fault(tmp_path: Path) -> None:
    path = tmp_path / "r.parquet"
    path.write_text("x")
    with (
        pytest.raises(InputError, match=r"r\.parquet: not a readable Parquet file \(index out of bounds\)"),
        reading_parquet(path),
    ):
        raise PanicException("index\nout of bounds")


def test_what_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.savez_compressed(tmp_path / "a.npz", a=np.arange(500))
    whole = (tmp_path / "a.npz").read_bytes()
    for content, said in (
        (whole, "an archive of arrays"),
        (whole[:300], "not a .npy file of numbers"),
        (b"no array", "not a .npy file of numbers"),
        (b"\x93NUMPY\x01\x00\x06\x00{'a': ", "not a .npy file of numbers"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=said):
            read_array(path)
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"not a \.npy file of numbers"):
        read_array(path)
