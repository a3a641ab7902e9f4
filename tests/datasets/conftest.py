"""Small files to read, and a loader whose cache is the test's own."""

from pathlib import Path

import pytest

from rcekd.datasets import DataSettings, Interactions, load_dataset
from rcekd.errors import InputError
from tests.datasets.aid import Load, Refuse, Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """write("folder/name.csv", text) makes the file below `tmp_path` and gives its path."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return make


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """load(name_or_path, split="random", …) with an empty data folder and a cache of its own."""

    def go(name: str | Path, **settings: object) -> Interactions:
        chosen = DataSettings.model_validate(settings)
        return load_dataset(str(name), chosen, data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")

    return go


@pytest.fixture
def refuse(load: Load) -> Refuse:
    """The message with which loading is refused, checked to be one line."""

    def go(name: str | Path, **settings: object) -> str:
        with pytest.raises(InputError) as caught:
            load(name, **settings)
        message = str(caught.value)
        assert "\n" not in message
        return message

    return go
