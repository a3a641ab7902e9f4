"""Ids and histories as people write them."""

from pathlib import Path

import pytest

from rcekd.errors import InputError
from rcekd.serving.asking import parse_histories, read_histories, read_ids, read_times, split_ids


def test_ids() -> None:
    assert split_ids(" 1, 7 ,a b,7,") == ["1", "7", "a b"]
    for text in ("", " , "):
        with pytest.raises(InputError, match="no ids in it"):
            split_ids(text)


def test_ids_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_text("\ufeff1\n\n a b \n1\n")
    assert read_ids(path) == ["1", "a b"]
    path.write_text("\n")
    with pytest.raises(InputError, match="no ids"):
        read_ids(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_ids(path)
    with pytest.raises(InputError, match="cannot read"):
        read_ids(tmp_path / "missing")


def test_histories() -> None:
    lines = ["1,50, 181\n", "a b\tc\n", "d, e\tf\n", "4 5\n", "9\n"]
    assert parse_histories(lines, "stdin") == [["1", "50", "181"], ["a b", "c"], ["d, e", "f"], ["4", "5"], ["9"]]
    with pytest.raises(InputError, match="stdin, line 2: no items"):
        parse_histories(["1\n", " \n"], "stdin")
    with pytest.raises(InputError, match="no histories"):
        parse_histories([], "stdin")


def test_only_line_ends_end_a_line(tmp_path: Path) -> None:
    """Ids may hold the letters that str.splitlines takes for ends of lines too, as titles from web pages do."""
    path = tmp_path / "ids"
    path.write_bytes("a\u2028b\r\nc\x85d\n".encode())
    assert read_ids(path) == ["a\u2028b", "c\x85d"]
    path.write_bytes("a\u2028b,c\x85d\r\ne\n".encode())
    assert read_histories(path) == [["a\u2028b", "c\x85d"], ["e"]]


def test_histories_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "h").write_text("1 2\n")
    assert read_histories(tmp_path / "h") == [["1", "2"]]
    with pytest.raises(InputError, match="cannot read"):
        read_histories(tmp_path / "missing")


def test_times_of_histories(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("10 2.5\n-3\n")
    assert read_times(path, [["a", "b"], ["c"]]) == [[10.0, 2.5], [-3.0]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2\n", "t: 1 lines of times for 2 histories; write a line for each"),
        ("1\n2\n", "t, line 1: 1 times for 2 items; write one for each"),
        ("1 2\nnan\n", "t, line 2: 'nan' is not a time; write numbers in the unit of the data's own times"),
        ("1 2\n2026-11-26\n", "t, line 2: '2026-11-26' is not a time"),
    ],
)
def test_times_that_do_not_fit_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t").write_text(text)
    with pytest.raises(InputError) as caught:
        read_times(tmp_path / "t", [["a", "b"], ["c"]])
    assert said in str(caught.value)
