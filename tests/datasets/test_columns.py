"""Guessing which column is which."""

from pathlib import Path

import pytest

from rcekd.datasets.columns import find_columns
from rcekd.datasets.settings import ColumnSettings
from rcekd.errors import InputError

PATH = Path("table.csv")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["userId", "movieId", "rating", "timestamp"], ("userId", "movieId", "rating", "timestamp")),
        (["USER", "ITEM"], ("USER", "ITEM", None, None)),
        (["USER", "ITEM", "TIME"], ("USER", "ITEM", None, "TIME")),
        (
            ["user_id:token", "item_id:token", "rating:float", "timestamp:float"],
            ("user_id:token", "item_id:token", "rating:float", "timestamp:float"),
        ),
        (["date", "stars", "business_id", "user_id"], ("user_id", "business_id", "stars", "date")),
        (["reviewerID", "asin", "overall", "unixReviewTime"], ("reviewerID", "asin", "overall", "unixReviewTime")),
        (["user_name", "user_id", "item", "item_id"], ("user_id", "item_id", None, None)),
        (["uid", "iid", "score"], ("uid", "iid", "score", None)),
        (["user_id:token", "item_id:token", "time:x"], ("user_id:token", "item_id:token", None, None)),
    ],
)
def test_usual_names_are_guessed(header: list[str], expected: tuple[str | None, ...]) -> None:
    assert find_columns(header, ColumnSettings(), PATH) == expected


def test_given_names_win_and_may_omit_the_type() -> None:
    header = ["user_id:token", "who:token", "what:token", "rating:float"]
    given = ColumnSettings(user="who", item="what:token", rating="-")
    assert find_columns(header, given, PATH) == ("who:token", "what:token", None, None)


@pytest.mark.parametrize(
    ("header", "given", "said"),
    [
        (["a", "b"], ColumnSettings(), "no user column among 'a', 'b'"),
        (["user", "b"], ColumnSettings(), "no item column"),
        (["user", "item"], ColumnSettings(item="itm"), "did you mean 'item'?"),
        (["user", "item"], ColumnSettings(item="user"), "cannot be both"),
        (["user:a", "item:p"], ColumnSettings(), "no user column among 'user:a', 'item:p'"),
        (["user", "-"], ColumnSettings(item="x"), "data.columns.item='x' is not a column"),
    ],
)
def test_what_cannot_be_told_is_said(header: list[str], given: ColumnSettings, said: str) -> None:
    with pytest.raises(InputError, match=r"table\.csv, line 1") as caught:
        find_columns(header, given, PATH)
    assert said in str(caught.value)
