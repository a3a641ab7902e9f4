"""Folders that appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from rcekd.errors import InputError
from rcekd.serving.folder import whole_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_on_success_and_on_failure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "out", force=False) as aside:
        (aside / "half" / "way").touch()
    assert names(tmp_path) == []
    with whole_folder(tmp_path / "out", force=False) as aside:
        (aside / "file").write_text("new")
        assert not (tmp_path / "out").exists()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["file"]


def test_what_is_there_is_refused_or_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").touch()
    with pytest.raises(InputError, match="not empty"), whole_folder(out, force=False):
        raise AssertionError("refused before anything is done")
    with pytest.raises(KeyError), whole_folder(out, force=True):
        raise KeyError
    assert names(out) == ["old"]
    with whole_folder(out, force=True) as aside:
        (aside / "new").touch()
    assert names(out) == ["new"]
    assert names(tmp_path) == ["out"]


def test_what_is_not_to_be_replaced_is_refused_though_forced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("sub", "card.json"):
        (out / name).mkdir(parents=True)
    with pytest.raises(InputError, match="holds 'sub'"), whole_folder(out, force=True, replaces={"card.json"}):
        raise AssertionError("refused before anything is done")
    assert (names(tmp_path), names(out)) == (["out"], ["card.json", "sub"])
    with whole_folder(out, force=True, replaces={"card.json", "sub"}) as aside:
        (aside / "card.json").touch()
    assert names(out) == ["card.json"]


def test_a_link_to_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    with whole_folder(tmp_path / "link", force=False) as aside:
        (aside / "new").touch()
    assert names(tmp_path) == ["disk", "link"]
    assert names(tmp_path / "link") == ["new"]


@pytest.mark.parametrize("to", [".", "..", "../run", "../"])
def test_nothing_takes_the_place_of_the_working_folder_or_of_a_spared_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    for name in ("here", "run"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    spared = [tmp_path / "run"]
    with pytest.raises(InputError, match="--to"), whole_folder(Path(to), force=True, spared=spared):
        raise AssertionError("refused before anything is done")
    assert names(tmp_path) == ["here", "run"]


def test_what_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()

    def busy(_: object, __: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr("rcekd.serving.folder.os.replace", busy)
    with pytest.raises(InputError, match="cannot be replaced"), whole_folder(tmp_path / "out", force=True):
        pass
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["old"]


def test_an_empty_folder_is_used_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with whole_folder(tmp_path / "empty", force=False) as aside:
        (aside / "new").touch()
    assert names(tmp_path / "empty") == ["new"]
    (tmp_path / "file").touch()
    for place in ("file", "file/out"):
        with pytest.raises(InputError, match="--to"), whole_folder(tmp_path / place, force=True):
            raise AssertionError("refused before anything is done")
