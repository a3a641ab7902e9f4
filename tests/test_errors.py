"""The ending of "unknown …" messages."""

import pytest

from rcekd.errors import nearest


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("trian", ["train", "test"], "; did you mean 'train'? known: test, train"),
        ("k", ["K", "L"], "; did you mean 'K'? known: K, L"),
        ("zzz", ["b", "a"], "; known: a, b"),
        ("a", [], "; known: "),
    ],
)
def test_nearest(name: str, known: list[str], expected: str) -> None:
    assert nearest(name, known) == expected
