"""Readers of tables with a header: CSV, TSV (FreeRec), RecBole `.inter`, and Parquet."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from rcekd.datasets.binary import one_line, reading_parquet
from rcekd.datasets.columns import ATOMIC_TYPES, Columns, find_columns
from rcekd.datasets.formats import guess_separator, header_line
from rcekd.datasets.settings import ColumnSettings
from rcekd.errors import InputError

PARQUET = (".parquet", ".pq")
_LINE = "line"
_REST = "rest"
_BLANK = b" \r\n"
# Numbers between slashes, points or dashes, the year last: which one is the month?
_YEAR_LAST = r"^(\d{1,2})[/.-]\d{1,2}[/.-]\d{4}"
# Polars reads 20-03-15 as the 20th of March in the year 15.
_FIRST_YEAR = 1000


def read_csv(path: Path, columns: ColumnSettings, separator: str | None) -> pl.DataFrame:
    """Columns user, item (Int64 or String) and, where the table has them, rating (Float64) and time.

    time is Int64, or Float64 where the file has fractions, or Datetime in microseconds where it has dates.
    Raises InputError with the line for a bad header, a wrong number of fields, an empty id, a bad rating or time.
    """
    header = header_line(path)
    separator = separator or guess_separator(header)
    quote = _quote(path)
    names = _fields(header, separator, quote)
    return _read_text(path, names, columns, separator, quote)


def read_recbole(path: Path, columns: ColumnSettings) -> pl.DataFrame:
    """As `read_csv`, for RecBole's atomic files: tabs, and a header of `name:type`, one of the four atomic types."""
    names = header_line(path).split("\t")
    for name in names:
        if ":" not in name:
            raise InputError(
                f"{path}, line 1: {name!r} is not name:type, as in user_id:token; a RecBole header has tabs between"
            )
        if name.strip().rpartition(":")[2] not in ATOMIC_TYPES:
            raise InputError(
                f"{path}, line 1: the type of {name!r} is none of RecBole's; write one of {', '.join(ATOMIC_TYPES)}"
            )
    return _read_text(path, names, columns, "\t", None)


def read_parquet(path: Path, columns: ColumnSettings) -> pl.DataFrame:
    """As `read_csv`, for Parquet; rows are numbered from 1 in messages."""
    with reading_parquet(path):
        lazy = pl.scan_parquet(path, glob=False)
        found = find_columns(lazy.collect_schema().names(), columns, path)
        table = _renamed(lazy, found).with_row_index(_LINE, offset=1).collect()
    return _typed(path, table, "row")


def read_table(path: Path) -> pl.DataFrame:
    """All columns of a Parquet file, or of a CSV or TSV file with every field as text, without spaces around it.

    Blank lines are passed over, but in a table of one column, where they are rows without a value. Raises InputError
    with the line for a bad header or a wrong number of fields.
    """
    if path.suffix.lower() in PARQUET:
        with reading_parquet(path):
            return pl.read_parquet(path, glob=False)
    header = header_line(path)
    if not header.strip():
        raise InputError(f"{path}, line 1: blank; the first line must name the columns")
    separator, quote = guess_separator(header), _quote(path)
    names = _stripped(path, _fields(header, separator, quote))
    table = _rows(path, len(names), {f"{place}": f"{place}" for place in range(len(names))}, separator, quote)
    table = table.drop(_LINE)
    table.columns = names
    return table


def _read_text(
    path: Path, names: list[str], columns: ColumnSettings, separator: str, quote: str | None
) -> pl.DataFrame:
    names = _stripped(path, names)
    place = {
        kind: f"{names.index(name)}" for kind, name in find_columns(names, columns, path)._asdict().items() if name
    }
    return _typed(path, _rows(path, len(names), place, separator, quote), "line")


def _stripped(path: Path, names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if len(set(names)) != len(names):
        raise InputError(f"{path}, line 1: a column name occurs twice; rename one")
    return names


def _rows(path: Path, width: int, place: dict[str, str], separator: str, quote: str | None) -> pl.DataFrame:
    """Text below the header: the number of each line, and by the names in `place` the columns at these places."""
    first = _first_filled_line(path) if width > 1 else 2
    # Columns go by place, so that no name of the user's can clash with the line numbers.
    lazy = pl.scan_csv(
        path,
        glob=False,  # a file's name may hold brackets
        separator=separator,
        quote_char=quote,
        has_header=False,
        skip_rows=first - 1,
        schema={f"{number}": pl.String for number in range(width)},
        row_index_name=_LINE,
        row_index_offset=first,
    )
    chosen = [pl.col(_LINE), *(pl.col(number).alias(name) for name, number in place.items())]
    rest = [f"{number}" for number in range(width) if f"{number}" not in place.values()]
    if quote and rest:
        # A stray quotation mark swallows rows, and Polars sees it only in columns that it reads; a bit for each row
        # makes it read them and keeps none of their text.
        chosen.append(pl.any_horizontal(pl.col(rest).is_null()).alias(_REST))
    try:
        table = lazy.select(chosen).collect().drop(_REST, strict=False)
    except PolarsError as error:
        raise _diagnosis(path, first, width, separator, quote, error) from error
    fields = [name for name in table.columns if name != _LINE]
    table = table.with_columns(pl.col(fields).str.strip_chars())
    blank = pl.all_horizontal(pl.col(name).is_null() | (pl.col(name) == "") for name in fields)
    if width > 1 and table.select(blank.any()).item():
        # Fields that are not read tell a row without ids from a blank line.
        table = table.filter(~(blank & pl.col(_LINE).is_in(_blank_lines(path, quote))))
    return table


def _quote(path: Path) -> str | None:
    """What holds a field together; elsewhere it is a letter."""
    return '"' if path.suffix.lower() == ".csv" else None


def _first_filled_line(path: Path) -> int:
    """The number, from 1, of the first line with data, or of the end; Polars takes a table's width from there."""
    number = 1
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if number > 1 and raw.strip(_BLANK):
                return number
    return number + 1


def _blank_lines(path: Path, quote: str | None) -> list[int]:
    """The lines that hold nothing, numbered as Polars numbers rows: one that is broken inside quotes counts once."""
    found: list[int] = []
    number, quoted = 0, False
    with path.open("rb") as file:
        for raw in file:
            number += not quoted
            if not quoted and not raw.strip(_BLANK):
                found.append(number)
            if quote and raw.count(quote.encode()) % 2:
                quoted = not quoted
    return found


def _renamed(lazy: pl.LazyFrame, found: Columns) -> pl.LazyFrame:
    return lazy.select(pl.col(name).alias(kind) for kind, name in found._asdict().items() if name is not None)


def _diagnosis(path: Path, first: int, width: int, separator: str, quote: str | None, error: Exception) -> InputError:
    """Polars does not name the line: read again, slowly, to find it."""
    begun, row, quotes = 0, list[str](), 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                return InputError(f"{path}, line {number}: not UTF-8 text; convert the file to UTF-8")
            begun = begun if row else number
            row.append(text)
            quotes += text.count(quote) if quote else 0
            if quotes % 2:  # a field may go on in the next line
                continue
            fault = _fault("".join(row), width, separator, quote, begun == first)
            if fault is not None:
                return InputError(f"{path}, line {begun}: {fault}")
            row = []
    if row:
        return InputError(f"{path}, line {begun}: {_UNCLOSED}")
    return InputError(f"{path}: not a readable table ({one_line(error)})")


_UNCLOSED = (
    "a quotation mark is opened and not closed; close it, take it out, or save the table with tabs as .tsv, where it "
    "is a letter"
)


def _fault(row: str, width: int, separator: str, quote: str | None, is_first: bool) -> str | None:
    """What is wrong with a row, which spans several lines where a field in quotation marks does."""
    mark = re.escape(separator)
    field = rf'(?:"(?:[^"]|"")*+"|(?:[^"{mark}\r\n][^{mark}\r\n]*)?)'
    if quote and not re.fullmatch(rf"{field}(?:{mark}{field})*\r?\n?", row):
        if len(row.splitlines()) > 1:
            return _UNCLOSED
        return (
            "text goes on after a closing quotation mark; double the marks inside a field, or save the table with tabs "
            "as .tsv, where they are letters"
        )
    found = len(_fields(row, separator, quote))
    if found > width:
        return f"{found} fields where the header names {width}"
    return f"only {found} of the {width} fields of the header" if is_first and found < width else None


def _typed(path: Path, table: pl.DataFrame, row: str) -> pl.DataFrame:
    """Turn the fields into ids, ratings and times, refusing those that are not."""
    if table.is_empty():
        raise InputError(f"{path}: a header but no interactions; download or export the file again")
    readers: dict[str, Callable[[pl.Series], pl.Series]] = {
        "user": ids,
        "item": ids,
        "rating": _ratings,
        "time": _times,
    }
    typed = []
    for kind in table.columns:
        if kind == _LINE:
            continue
        values = readers[kind](table[kind])
        if kind == "time":
            _refuse_unplain_dates(path, table[kind])
        _refuse_null(path, table, kind, values, row)
        typed.append(values.alias(kind))
    return pl.DataFrame(typed)


def ids(values: pl.Series) -> pl.Series:
    """Int64 where every id is an integer plainly written, else String, so that "007" stays apart from "7"."""
    if values.dtype.is_integer():
        whole = values.cast(pl.Int64, strict=False)
        return whole if whole.null_count() == values.null_count() else values.cast(pl.String)
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        return whole.set(whole.cast(pl.Float64) != values.cast(pl.Float64), None)
    text = cast(values, pl.String())
    text = text.set(text == "", None)
    whole = text.cast(pl.Int64, strict=False)
    return whole if whole.cast(pl.String).equals(text) else text


def id_column(table: pl.DataFrame, column: str, path: Path) -> pl.Series:
    """A column of a file's table as `ids`. InputError with the row where one is missing."""
    found = ids(table[column])
    wrong = found.is_null()
    if wrong.any():
        shown = _shown(table[column][int(wrong.arg_true()[0])])
        raise InputError(f"{path}, {place_of(path, wrong)}: {column} is {shown}, not {_ID}; give every row one")
    return found


def place_of(path: Path, wrong: pl.Series) -> str:
    """Where the first of the wrong rows of `read_table` stands in the file: its row, or its line below a header."""
    number = int(wrong.arg_true()[0])
    if path.suffix.lower() in PARQUET:
        return f"row {number + 1}"
    line, header, quote = number + 2, header_line(path), _quote(path)
    if len(_fields(header, guess_separator(header), quote)) > 1:
        for blank in _blank_lines(path, quote):
            line += blank <= line
    return f"line {line}"


def cast(values: pl.Series, kind: pl.DataType) -> pl.Series:
    """Values as another type, null where that cannot be: all of them where the whole column is of an unlike type."""
    if not values.dtype.is_nested():
        try:
            return values.cast(kind, strict=False)
        except PolarsError:
            pass
    return pl.Series(values.name, [None] * len(values), dtype=kind)


def _ratings(values: pl.Series) -> pl.Series:
    number = cast(values, pl.Float64())
    return number.set(~number.is_finite(), None)


def _times(values: pl.Series) -> pl.Series:
    if values.dtype.is_integer():
        return values.cast(pl.Int64, strict=False)
    if values.dtype.is_temporal():
        return cast(values, pl.Datetime("us"))
    number = _ratings(values)
    if number.null_count() == len(values) > 0 and values.dtype == pl.String:
        return _dates(values)
    if number.null_count():
        return number
    whole = values.cast(pl.Int64, strict=False)
    # Casting a fraction cuts it off.
    exact = not whole.null_count() and bool((whole.cast(pl.Float64) == number).all())
    return whole if exact else number


def _dates(values: pl.Series) -> pl.Series:
    frame = values.alias("text").to_frame()
    stamp = pl.col("text").str.to_datetime(strict=False, time_unit="us", time_zone="UTC")
    for reading in (stamp, pl.col("text").str.to_date(strict=False).cast(pl.Datetime("us"))):
        try:
            dates = frame.select(pl.when(reading.dt.year() >= _FIRST_YEAR).then(reading.cast(pl.Int64))).to_series()
        except PolarsError:  # no pattern fits at all
            continue
        if dates.null_count() < len(dates):
            return dates.cast(pl.Datetime("us"))
    return pl.Series(values=[None] * len(values), dtype=pl.Datetime("us"))


def _refuse_unplain_dates(path: Path, values: pl.Series) -> None:
    """Polars reads 01/02/2020 as the first of February; only a day above 12 shows that this is how it was meant."""
    if values.dtype != pl.String or not re.match(_YEAR_LAST, values[0] or ""):
        return
    first_number = values.str.extract(_YEAR_LAST).cast(pl.Int64)
    if not (first_number > 12).any():
        raise InputError(
            f"{path}: dates like {values[0]!r} would be read as day/month/year, and no day above 12 shows that they "
            "are; write them as year-month-day; data.columns.time=- leaves the column unread"
        )


_ID = "an id (a whole number or text)"
_WANTED = {"user": _ID, "item": _ID, "rating": "a finite number", "time": "a timestamp or date like 2020-03-15"}


def _refuse_null(path: Path, table: pl.DataFrame, kind: str, values: pl.Series, row: str) -> None:
    if not values.null_count():
        return
    at = values.is_null().arg_true()[0]
    shown = _shown(table[kind][at])
    remedy = f"; data.columns.{kind}=- leaves the column unread" if kind in ("rating", "time") else ""
    raise InputError(
        f"{path}, {row} {table[_LINE][at]}: the {kind} is {shown}, not {_WANTED[kind]}; correct the file{remedy}"
    )


def _shown(raw: Any) -> str:
    """A field as a message quotes it."""
    raw = raw.to_list() if isinstance(raw, pl.Series) else raw
    return "empty" if raw is None or raw == "" else repr(str(raw)[:40])


def _fields(line: str, separator: str, quote: str | None) -> list[str]:
    if quote is None:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator, quotechar=quote), [])
    except csv.Error:  # a stray carriage return, an endless field
        return line.split(separator)
