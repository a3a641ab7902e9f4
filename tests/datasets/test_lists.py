"""User lists: CiteULike's (count first) and LightGCN's (user first)."""

from pathlib import Path

import pytest

from rcekd.datasets.lists import read_citeulike, read_lightgcn
from rcekd.errors import InputError
from tests.datasets.aid import Write


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_citeulike(write: Write, end: str, last: bool) -> None:
    text = end.join(["2 9 5", "0", "3 5 5 1"]) + (end if last else "")
    table = read_citeulike(write("users.dat", text))
    assert table.rows() == [(0, 9), (0, 5), (2, 5), (2, 5), (2, 1)]


def test_lightgcn(write: Write) -> None:
    table = read_lightgcn(write("train.txt", "4 9 5 \n\n7\n2  5\t1\r\n4 3\n"))
    assert table.rows() == [(4, 9), (4, 5), (2, 5), (2, 1), (4, 3)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2 1 2\n3 1 2\n", "line 2: 3 items are announced but 2 follow"),
        ("2 1 2\n0 1\n", "line 2: 0 items are announced but 1 follow"),
        ("2 1 2\n5\n", "line 2: 5 items are announced but 0 follow"),
        ("2 1 2\n1 x\n", "line 2: 'x' is not an id"),
        ("2 1 2\n1 3.0\n", "line 2: '3.0' is not an id"),
        ("2 1 -2\n", "line 1: '-2' is not an id"),
        ("1 99999999999999999999\n", "line 1: '99999999999999999999' is not an id"),
        ("1 2\n\n1 3\n", "line 2: blank"),
        ("", "the file is empty"),
    ],
)
def test_broken_citeulike_is_refused(write: Write, text: str, said: str) -> None:
    path = write("users.dat", text)
    with pytest.raises(InputError) as caught:
        read_citeulike(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [("0 1 2\n1 a\n", "line 2: 'a' is not an id"), ("0 1\n\n2 1,2\n", "line 3: '1,2' is not an id"), ("", "empty")],
)
def test_broken_lightgcn_is_refused(write: Write, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_lightgcn(write("train.txt", text))
    assert said in str(caught.value)


def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_bytes(b"0 1 2\n1 \xff 3\n")
    with pytest.raises(InputError, match="line 2: not text"):
        read_lightgcn(path)
