"""A claim is one process's at a time."""

from pathlib import Path

from rcekd.experiments.claims import claim


def test_who_comes_second_has_it_not_until_the_first_is_done(tmp_path: Path) -> None:
    with claim(tmp_path / "work") as first:
        with claim(tmp_path / "work") as second, claim(tmp_path / "other") as other:
            assert (first, second, other) == (True, False, True)
        with claim(tmp_path / "work") as still:
            assert not still, "who has it not takes it from nobody"
    with claim(tmp_path / "work") as after:
        assert after
