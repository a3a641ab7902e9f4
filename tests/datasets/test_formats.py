"""Telling formats apart."""

import gzip
from pathlib import Path

import pytest

from rcekd.datasets.formats import guess_formats, guess_separator, header_line
from rcekd.errors import InputError
from tests.datasets.aid import Write


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "user,item\n1,2\n", "csv"),
        ("a.inter", "user_id:token\titem_id:token\n", "recbole"),
        ("a.parquet", "PAR1", "parquet"),
        ("users.dat", "2 5 7\n1 3\n0\n", "citeulike"),
        ("users.dat", "2 5 7\n3 5 7\n1 3\n", "citeulike"),  # one broken line does not change the format
        ("train.txt", "0 5 7\n1 3 8 9\n2 4\n", "lightgcn"),
        ("train.txt", "USER\tITEM\n0\t5\n", "csv"),
        ("train.txt", "user item\n0 5\n", "csv"),
        ("u.data.txt", "196\t242\t3\t881250949\n", "csv"),  # a table without its header, not a user list
        ("a.tsv", "user\titem\n", "csv"),
        ("a.txt", f"{'9' * 5000} 1 2\n1 2\n", "lightgcn"),  # more digits than Python makes an int of
    ],
)
def test_format_is_guessed(write: Write, name: str, text: str, expected: str) -> None:
    assert guess_formats([write(name, text)]) == [expected]


@pytest.mark.parametrize(
    ("header", "expected"),
    [("a,b", ","), ("a\tb c", "\t"), ("User ID;Item ID", ";"), ("a|b", "|"), ("a b", " "), ("user", " ")],
)
def test_separator_is_guessed(header: str, expected: str) -> None:
    assert guess_separator(header) == expected


def test_header_drops_byte_order_mark_and_line_end(write: Write) -> None:
    assert header_line(write("a.csv", "\ufeffuser,item\r\n1,2\r\n")) == "user,item"


def test_a_compressed_file_is_to_be_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"user,item\n1,2\n"))
    with pytest.raises(InputError, match=r"a\.csv\.gz: a compressed file; unpack it first"):
        header_line(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"user": 1, "item": 2}\n', r"polars\.read_ndjson\('a\.jsonl'\)\.write_parquet\('a\.parquet'\)"),
        ('[{"user": 1,\n', r"polars\.read_json\('a\.jsonl'\)"),
    ],
)
def test_json_is_to_be_converted(write: Write, text: str, said: str) -> None:
    with pytest.raises(InputError, match=rf"a\.jsonl, line 1: JSON, which is not read; convert it .*{said}"):
        guess_formats([write("a.jsonl", text)])


def test_blank_file_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match="nothing but blank lines"):
        guess_formats([write("a.txt", "\n \n")])
