"""What a user asks to have imported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from rcekd.errors import InputError, nearest

FormatName = Literal["npy", "npz", "implicit", "safetensors", "torch", "recbole", "vectors", "lists"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)


def format_named(name: str) -> FormatName:
    """The format of this name. InputError, with the nearest one, where there is none."""
    for known in FORMATS:
        if name == known:
            return known
    raise InputError(f"--format {name!r} is unknown{nearest(name, FORMATS)}")


@dataclass(frozen=True)
class ImportRequest:
    """Files and how to read them; None where that is to be found out.

    files: one file, or that of the users and that of the items. user_key, item_key: names of the tables inside a file.
    item_bias: a .npy file, or the name of a vector inside the file. user_ids, item_ids: files that give each row's
    original id. user_column, item_column: columns of ids in a table; score_column, rank_column: of a top-N table.
    """

    files: tuple[Path, ...]
    format: FormatName | None = None
    user_key: str | None = None
    item_key: str | None = None
    item_bias: str | None = None
    user_ids: Path | None = None
    item_ids: Path | None = None
    user_column: str | None = None
    item_column: str | None = None
    score_column: str | None = None
    rank_column: str | None = None

    def all_files(self) -> dict[str, Path]:
        """Every file whose bytes decide what is imported, by what it is: the same ids are another import as items'."""
        bias = Path(self.item_bias) if self.item_bias and self.item_bias.endswith(".npy") else None
        beside = {"user_ids": self.user_ids, "item_ids": self.item_ids, "item_bias": bias}
        found = {f"file {place}": path for place, path in enumerate(self.files, start=1)}
        return found | {role: path for role, path in beside.items() if path is not None}

    def options(self) -> dict[str, str | None]:
        """How the files are read, as plain values."""
        names = ("format", "user_key", "item_key", "item_bias", "user_column", "item_column", "score_column")
        return {name: getattr(self, name) for name in (*names, "rank_column")}
