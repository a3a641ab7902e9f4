"""Original ids and places."""

import numpy as np
import polars as pl
import pytest

from rcekd.errors import InputError
from rcekd.serving.ids import UNKNOWN, IdMap


@pytest.mark.parametrize("ids", [pl.Series([3, 7, 11], dtype=pl.Int64), pl.Series(["a b", "ä", "007"])])
def test_there_and_back(ids: pl.Series) -> None:
    known = IdMap(ids, "user")
    written = [str(name) for name in ids]
    place = known.find([written[2], written[0], written[2]])
    assert place.tolist() == [2, 0, 2]
    assert known.names(place.numpy()).to_list() == [ids[2], ids[0], ids[2]]


def test_what_is_not_written_as_it_is_known_is_unknown() -> None:
    known = IdMap(pl.Series([3, 7]), "user")
    assert known.find(["07", "7.0", "", "8", "7"]).tolist() == [UNKNOWN] * 4 + [1]
    assert known.find([]).tolist() == []
    assert known.names(np.array([UNKNOWN, 1])).to_list() == [None, 7]


def test_the_first_unknown_is_named_and_the_others_counted() -> None:
    known = IdMap(pl.Series([3, 7]), "item")
    known.refuse_unknown(["3"], known.find(["3"]), "--users")
    with pytest.raises(InputError, match=r"here: item '9' is not .*, and 1 more of 3; .*--skip-unknown"):
        known.refuse_unknown(["3", "9", "x"], known.find(["3", "9", "x"]), "here")
