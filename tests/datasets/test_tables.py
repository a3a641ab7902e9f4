"""Tables with a header: CSV, TSV, RecBole, Parquet; good ones and broken ones."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from rcekd.datasets.settings import ColumnSettings
from rcekd.datasets.tables import id_column, ids, read_csv, read_parquet, read_recbole, read_table
from rcekd.errors import InputError
from tests.datasets.aid import Write

GUESS = ColumnSettings()


def test_csv_with_everything(write: Write) -> None:
    path = write("r.csv", 'userId,title,movieId,rating,timestamp\n7,"a, b",3,4.5,20\n2,c,10,1,10\n')
    table = read_csv(path, GUESS, None)
    assert table.to_dict(as_series=False) == {"user": [7, 2], "item": [3, 10], "rating": [4.5, 1.0], "time": [20, 10]}
    assert table.schema["time"] == pl.Int64


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_separators(write: Write, separator: str) -> None:
    lines = [("user", "item"), ("a", "x"), ("b", "y")]
    path = write("r.csv", "\n".join(separator.join(line) for line in lines))
    for given in (None, separator):
        assert read_csv(path, GUESS, given).rows() == [("a", "x"), ("b", "y")]


def test_byte_order_mark_line_ends_blank_lines_and_spaces(write: Write) -> None:
    path = write("r.csv", "\ufeffuser, item\r\n1, 2\r\n\r\n  \r\n3,4 \r\n")
    assert read_csv(path, GUESS, None).rows() == [(1, 2), (3, 4)]


def test_blank_lines_before_the_first_row(write: Write) -> None:
    assert read_csv(write("r.csv", "user,item\r\n\r\n  \r\n1,2\r\n"), GUESS, None).rows() == [(1, 2)]


def test_a_day_above_12_shows_the_order_of_day_and_month(write: Write) -> None:
    table = read_csv(write("r.csv", "user,item,date\n1,2,01/02/2001\n1,3,13/02/2001\n"), GUESS, None)
    assert table["time"].to_physical().to_list() == [980985600_000_000, 982022400_000_000]


def test_a_column_may_be_called_line(write: Write) -> None:
    assert read_csv(write("r.csv", "line,user,item\n9,1,2\n"), GUESS, None).rows() == [(1, 2)]


def test_quotes_are_letters_in_tab_separated_files(write: Write) -> None:
    path = write("r.tsv", 'user\titem\n1\t"Great Performances" Cats\n2\t"x\n')
    assert read_csv(path, GUESS, None)["item"].to_list() == ['"Great Performances" Cats', '"x']


def test_quoted_text_that_is_not_read_may_hold_line_ends_and_quotation_marks(write: Write) -> None:
    path = write("r.csv", 'user,name,item\n1,"27"" wide\n\nand, flat",2\n3,a "b" c,4\n')
    assert read_csv(path, GUESS, None).rows() == [(1, 2), (3, 4)]


def test_recbole(write: Write) -> None:
    text = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\t'Night, Mother\t3\t88.5\n"
    table = read_recbole(write("r.inter", text), GUESS)
    assert table.rows() == [("u1", "'Night, Mother", 3.0, 88.5)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["7", "10", "-1"], [7, 10, -1]),
        (["007", "7"], ["007", "7"]),
        (["1.0", "2"], ["1.0", "2"]),
        (["+1", "2"], ["+1", "2"]),
        (["a", "1"], ["a", "1"]),
        (["99999999999999999999", "1"], ["99999999999999999999", "1"]),
    ],
)
def test_ids_are_integers_only_where_nothing_is_lost(texts: list[str], expected: list[object]) -> None:
    assert ids(pl.Series(texts)).to_list() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([7, 2**63], dtype=pl.UInt64), ["7", str(2**63)]),
        (pl.Series([7, None, 2**63 - 1], dtype=pl.UInt64), [7, None, 2**63 - 1]),
    ],
)
def test_whole_numbers_beyond_int64_are_text_as_in_csv(values: pl.Series, expected: list[object]) -> None:
    assert ids(values).to_list() == expected
    assert ids(values.cast(pl.String)).to_list() == expected


def test_a_table_is_read_as_a_dataset_is(write: Write) -> None:
    path = write("t.csv", '\ufeffa, line ,0\r\n\r\n 1 ,"x, y ",3\r\n\r\n4,,\r\n \r\n')
    assert read_table(path).to_dict(as_series=False) == {"a": ["1", "4"], "line": ["x, y", None], "0": ["3", None]}


def test_a_table_wants_its_header(write: Write) -> None:
    with pytest.raises(InputError, match=r"t\.csv, line 1: blank; the first line must name the columns"):
        read_table(write("t.csv", "\nuser,item\n1,2\n"))


def test_the_line_of_an_id_counts_blank_lines_too(write: Write) -> None:
    path = write("t.csv", 'a,b\n\n1,"x"\n\n,2\n\n')
    with pytest.raises(InputError, match=r"t\.csv, line 5: a is empty, not an id \(a whole number or text\)"):
        id_column(read_table(path), "a", path)


def test_a_fraction_is_no_id(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": [1.0, 0.5]}).write_parquet(path)
    with pytest.raises(InputError, match=r"row 2: a is '0\.5', not an id \(a whole number or text\)"):
        id_column(read_table(path), "a", path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("978300760", 978300760),
        ("978300760.25", 978300760.25),
        ("9007199254740993", 9007199254740993),
        ("2001-01-01", 978307200_000_000),
        ("2001-01-01 00:00:01", 978307201_000_000),
        ("2001-01-01T00:00:01Z", 978307201_000_000),
    ],
)
def test_times_and_dates(write: Write, text: str, expected: float) -> None:
    table = read_csv(write("r.csv", f"user,item,time\n1,2,{text}\n1,3,{text}\n"), GUESS, None)
    assert table["time"].to_physical().to_list() == [expected, expected]
    assert table.schema["time"].is_temporal() == ("-" in text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("user,item\n", "a header but no interactions"),
        ("1,2,3\n4,5,6\n", "line 1: no user column among '1', '2', '3'"),
        ("user,item,item\n1,2,3\n", "line 1: a column name occurs twice"),
        ("user,item,rating\n1,2,3\n4,5\n", "line 3: the rating is empty"),
        ("user,item,rating\n1,2,3\n4\n", "line 3: the item is empty"),
        ("user,item\n1,2\n3,4,5\n6,7\n", "line 3: 3 fields where the header names 2"),
        ("user,item\n1,2\n,4\n", "line 3: the user is empty"),
        ('user,item\n1,2\n3,"4\n', "line 3: a quotation mark is opened and not closed"),
        ('user,item,name\n1,2,x\n3,4,"Big" screen\n', "line 3: text goes on after a closing quotation mark"),
        ('user,item,name\n1,2,x\n1,3,27" wide\n2,3,y\n2,4,27" wide\n3,5,z\n', "line 3: a quotation mark is opened"),
        ('user,name,item\n1,27" wide,2\n1,x,3\n2,27",4\n3,z,5\n', "save the table with tabs as .tsv"),
        (
            'user,item,name\n1,2,"say, ""x"" y"\n3,4,"Big" screen\n',
            "line 3: text goes on after a closing quotation mark",
        ),
        ('user,item,name\n1,2,"say,""x"" y"\n3,4,x,y\n', "line 3: 4 fields where the header names 3"),
        ('user,item,name\n1,2,"two\nlines"\n3,4,"Big" screen\n', "line 4: text goes on after a closing"),
        ("user,item,rating\n1,2,nan\n", "line 2: the rating is 'nan', not a finite number"),
        ("user,item,rating\n1,2,5\n\n1,3,inf\n", "line 4: the rating is 'inf', not a finite number"),
        ("user,item,rating\n1,2,good\n", "line 2: the rating is 'good', not a finite number"),
        ("user,item,time\n1,2,10\n1,3,soon\n", "line 3: the time is 'soon', not a timestamp or date"),
        ("user,item,time\n1,2,2001-01-01\n1,3,soon\n", "line 3: the time is 'soon', not a timestamp or date"),
        ("user,item,time\n1,2,soon\n1,3,later\n", "line 2: the time is 'soon', not a timestamp or date"),
        (
            "user,item,time\n1,2,20-03-15\n1,3,21-01-10\n",
            "line 2: the time is '20-03-15', not a timestamp or date like 2020-",
        ),
        ("user,item,time\n1,2,13/02/20\n1,3,01/02/20\n", "line 2: the time is '13/02/20', not a timestamp or date"),
        ("user,item,time\n1,2,13/02/2020\n1,3,14/02/20\n", "line 3: the time is '14/02/20', not a timestamp or date"),
        ("user,item,time\n1,2,0020-03-15\n", "line 2: the time is '0020-03-15', not a timestamp or date"),
        ("user,item,time\n1,2,inf\n", "line 2: the time is 'inf', not a timestamp or date"),
        ("user,item\n \n\n", "a header but no interactions"),
        ("user,item,x\n1,2,5\n\n,,7\n2,2,5\n", "line 4: the user is empty"),
        ("user,item\n1,2\n,\n", "line 3: the user is empty"),
        ('user,item\n"a\nb",2\n\n,\n', "line 4: the user is empty"),
        ("user,item,x\n\n7\n1,2,3\n", "line 3: only 1 of the 3 fields"),
        ("user,item,date\n1,2,01/02/2020\n1,3,02/11/2020\n", "dates like '01/02/2020' would be read as day/month/year"),
        ("user,item,date\n1,2,1.13.2020\n", "write them as year-month-day"),
        ('{"user_id": "a", "item_id": "p"}\n{"user_id": "b", "item_id": "p"}\n', "line 1: JSON, which is not read"),
        ("user:a,item:p\nuser:b,item:q\n", "no user column among 'user:a', 'item:p'; the first line must name"),
    ],
)
def test_broken_csv_is_refused_with_its_line(write: Write, text: str, said: str) -> None:
    path = write("r.csv", text)
    with pytest.raises(InputError) as caught:
        read_csv(path, GUESS, None)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes("user,item\n1,2\n3,Amélie\n".encode("latin1"))
    with pytest.raises(InputError, match="line 3: not UTF-8"):
        read_csv(path, GUESS, None)
    path.write_bytes("usér,item\n1,2\n".encode("latin1"))
    with pytest.raises(InputError, match="line 1: not UTF-8"):
        read_csv(path, GUESS, None)


def test_unread_columns_may_hold_anything(write: Write) -> None:
    path = write("r.csv", "user,item,rating,time\n1,2,x,y\n")
    assert read_csv(path, ColumnSettings(rating="-", time="-"), None).rows() == [(1, 2)]


@pytest.mark.parametrize(
    "header",
    ["user_id\titem_id", "user_id:token item_id:token", "1\t2", "user_id:token\titem_id:int", "user:a\titem:b"],
)
def test_recbole_wants_its_header(write: Write, header: str) -> None:
    with pytest.raises(InputError, match="line 1"):
        read_recbole(write("r.inter", f"{header}\n1\t2\n"), GUESS)


@pytest.mark.parametrize(
    "users",
    [[3, 1], ["b", "a"], pl.Series([3, 1], dtype=pl.UInt16), pl.Series(["b", "a"], dtype=pl.Categorical)],
)
def test_parquet(tmp_path: Path, users: list[object] | pl.Series) -> None:
    frame = pl.DataFrame({"user_id": users, "item_id": [5.0, 6.0], "rating": [1, 2]})
    frame.write_parquet(tmp_path / "r.parquet")
    table = read_parquet(tmp_path / "r.parquet", GUESS)
    assert table.rows() == [(users[0], 5, 1.0), (users[1], 6, 2.0)]


@pytest.mark.parametrize("stamps", [[date(2001, 1, 1)], [datetime(2001, 1, 1)], [datetime(2001, 1, 1, tzinfo=UTC)]])
def test_parquet_dates(tmp_path: Path, stamps: list[date]) -> None:
    pl.DataFrame({"user": [1], "item": [2], "date": stamps}).write_parquet(tmp_path / "r.parquet")
    assert read_parquet(tmp_path / "r.parquet", GUESS)["time"].to_physical().to_list() == [978307200_000_000]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0.9, 0.1], [0.9, 0.1]),
        ([3.0, 1.0], [3, 1]),
        ([Decimal("1.50"), Decimal("1.25")], [1.5, 1.25]),
        ([Decimal("15"), Decimal("12")], [15, 12]),
    ],
)
def test_parquet_times_keep_their_fractions(tmp_path: Path, times: list[object], expected: list[float]) -> None:
    pl.DataFrame({"user": [1, 1], "item": [2, 3], "time": times}).write_parquet(tmp_path / "r.parquet")
    found = read_parquet(tmp_path / "r.parquet", GUESS)["time"].to_list()
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"user": [[1], [2]], "item": [1, 2]}, "row 1: the user is '[1]', not an id"),
        ({"user": [{"a": 1}], "item": [1]}, "row 1: the user is \"{'a': 1}\", not an id"),
        ({"user": [b"\xff"], "item": [1]}, "row 1: the user is"),
        ({"user": [1], "item": [1], "rating": [[1.0]]}, "row 1: the rating is '[1.0]', not a finite number"),
        ({"user": [1], "item": [1], "time": [[1]]}, "row 1: the time is '[1]', not a timestamp or date"),
        ({"user": [1], "item": [1], "time": [time(1)]}, "row 1: the time is '01:00:00'"),
        ({"user": [1], "item": [1], "time": [timedelta(1)]}, "row 1: the time is '1 day, 0:00:00'"),
        (
            {"user": [1, 2], "item": [1, 2], "time": pl.Series([1, 2**64 - 1], dtype=pl.UInt64)},
            "row 2: the time is '18446744073709551615'",
        ),
        ({"user": [1, 2], "item": [1, None]}, "row 2: the item is empty"),
        ({"user": [1.0, 2.5], "item": [1, 2]}, "row 2: the user is '2.5', not an id (a whole number or text)"),
        ({"user": [1, 2], "item": [1, 2], "rating": [1.0, float("nan")]}, "row 2: the rating is 'nan'"),
        ({"user": [], "item": []}, "no interactions"),
        ({"a": [1], "b": [2]}, "no user column"),
    ],
)
def test_broken_parquet_is_refused(tmp_path: Path, columns: dict[str, list[object] | pl.Series], said: str) -> None:
    pl.DataFrame(columns).write_parquet(tmp_path / "r.parquet")
    with pytest.raises(InputError) as caught:
        read_parquet(tmp_path / "r.parquet", GUESS)
    assert said in str(caught.value)


@pytest.mark.parametrize("keep", [0, 4, 40, -1])
def test_truncated_parquet_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "r.parquet"
    pl.DataFrame({"user": [1, 2], "item": [1, 2]}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="parquet"):
        read_parquet(path, GUESS)
