"""Whatever a file holds, reading it either works or is refused in one line."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcekd.datasets import DataSettings
from rcekd.datasets.catalog import Part
from rcekd.datasets.load import read_source
from rcekd.datasets.prepare import Plan, prepare
from rcekd.datasets.source import Source, SourceFile
from rcekd.errors import InputError

# Pieces that readers care about, in any order, with raw bytes between them.
PIECES = st.sampled_from(
    [
        *(b"\n", b"\r\n", b"\r", b"\t", b",", b";", b" ", b'"', b"\0", b"\xff", b"\xef\xbb\xbf", b":", b"-", b"."),
        *(b"user", b"item", b"rating", b"time", b"user,item\n", b"user\titem\n", b"user_id:token\titem_id:token\n"),
        *(b"0", b"1", b"2", b"17", b"1e5", b"nan", b"inf", b"2020-01-01", b"99999999999999999999", b"\xc3\xa9", b"#"),
    ]
)
HEADS = st.sampled_from(
    [b"", b"user,item,rating,time\n1,2,3,4\n", b"user_id:token\titem_id:token\trating:float\n1\t2\t3\n"]
)
TAILS = st.lists(PIECES | st.binary(max_size=3), max_size=40).map(b"".join)


@pytest.mark.parametrize("suffix", [".txt", ".csv", ".inter", ".parquet"])
@given(head=HEADS, tail=TAILS, part=st.sampled_from([None, "train"]), drop=st.booleans())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(tmp_path: Path, suffix: str, head: bytes, tail: bytes, part: Part | None, drop: bool) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(head + tail)
    chosen = DataSettings(duplicates="drop" if drop else "keep")
    source = Source("file", (SourceFile(path, part),), DataSettings())
    refusal = ""
    try:
        data = prepare("file", read_source(source, chosen), Plan.of(chosen, DataSettings()))
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert len(refusal.splitlines()) == 1
        return
    assert data.train.indices.numel() > 0
    assert data.train.indices.max() < data.n_items
