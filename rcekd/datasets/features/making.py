"""What a user asks to have made into a features file, and the making."""

from dataclasses import dataclass
from pathlib import Path

from rcekd.datasets.binary import read_array
from rcekd.datasets.features.reduce import reduced
from rcekd.datasets.features.table import FeatureTable, read_features
from rcekd.datasets.features.terms import read_tag_lists, read_texts
from rcekd.datasets.id_files import read_ids
from rcekd.errors import InputError


@dataclass(frozen=True)
class FeatureRequest:
    """One of tags, text and vectors, and how to read it; None where that is to be found out.

    item_ids: the original id of each row of a .npy. width, least, seed: of tags and texts (see `reduced`).
    """

    tags: Path | None = None
    text: Path | None = None
    vectors: Path | None = None
    item_ids: Path | None = None
    item_column: str | None = None
    text_column: str | None = None
    width: int = 128
    least: int = 2
    seed: int = 0

    @property
    def source(self) -> Path:
        """The file that the features are made of. InputError unless it is exactly one."""
        given = [path for path in (self.tags, self.text, self.vectors) if path is not None]
        if len(given) != 1:
            raise InputError("features are made of one file: give --tags, --text or --vectors")
        return given[0]


def make_features(request: FeatureRequest) -> FeatureTable:
    """The table that is asked for. InputError names file, line or column of what is wrong."""
    path = request.source
    if request.vectors is not None:
        return _vectors(path, request)
    texts = request.tags is None
    terms = read_texts(path, request.item_column, request.text_column) if texts else read_tag_lists(path)
    return reduced(terms, request.width, least=request.least, seed=request.seed, where=str(path))


def _vectors(path: Path, request: FeatureRequest) -> FeatureTable:
    if path.suffix.lower() != ".npy":
        return read_features(path, request.item_column)
    if request.item_ids is None:
        raise InputError(f"{path}: which item is which row? give --item-ids FILE with an id a row")
    return FeatureTable.checked(read_ids(request.item_ids), read_array(path), f"{path} and {request.item_ids}")
