"""What can be set about data. `None` means "the catalogue's default for this dataset, else the general default"."""

import re
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from rcekd.datasets.places import at_home
from rcekd.settings import Settings

SplitName = Literal["reference", "random", "time", "time-global", "leave-one-out", "given"]
FormatName = Literal["citeulike", "lightgcn", "freerec", "recbole", "csv", "parquet"]
DuplicateRule = Literal["keep", "drop"]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]

# A part of parameter names too.
_MODALITY = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TABS = ("\\t", "tab", "TAB")


class _Settings(Settings):
    model_config = ConfigDict(use_attribute_docstrings=True)


class ColumnSettings(_Settings):
    """Names of the columns in a table of the user's own; each is guessed from the header when not given."""

    user: str | None = None
    """Column of user ids."""
    item: str | None = None
    """Column of item ids."""
    rating: str | None = None
    """Column of ratings; "-" leaves ratings unread."""
    time: str | None = None
    """Column of timestamps or dates; "-" leaves times unread."""


class SyntheticSettings(_Settings):
    """The generated dataset: a mixture of `dim` tastes with Zipf-like popularity inside each."""

    users: int = Field(1000, ge=1)
    """Users to generate."""
    items: int = Field(2000, ge=2)
    """Items to generate."""
    density: float = Field(0.02, gt=0.0, le=0.5)
    """Share of the users × items table that is filled."""
    dim: int = Field(16, ge=1, le=4096)
    """Number of latent tastes."""
    skew: float = Field(0.8, ge=0.0)
    """Exponent of the popularity law: 0 is flat, 1 is Zipf's."""
    seed: Count = 0
    """Seed of the generator."""


class DataSettings(_Settings):
    """How a raw dataset becomes train, valid and test."""

    split: SplitName | None = None
    """How to cut: reference (file order), random, time (per user), time-global, leave-one-out, or given."""
    split_seed: Count = 0
    """Seed of the random split, and of the validation part taken where a given split has none."""
    valid_share: Share = 0.1
    """Share of interactions held out for validation; with none, training keeps the last epoch and has no patience."""
    test_share: Share = 0.1
    """Share of interactions held out for the test."""
    min_rating: float | None = Field(None, allow_inf_nan=False)
    """Keep only interactions rated at least this."""
    user_core: Count | None = None
    """Drop users with fewer interactions than this."""
    item_core: Count | None = None
    """Drop items with fewer interactions than this."""
    core_iterated: bool | None = None
    """Repeat the two core filters until nothing more is dropped (a true k-core); else one pass over raw counts."""
    duplicates: DuplicateRule | None = None
    """Repeated user-item pairs: keep all, or drop all but the first."""
    columns: ColumnSettings = ColumnSettings()
    """Column names, where the guess is wrong."""
    separator: str | None = None
    """Field separator of a text table, one character; read off the header line when not given."""
    format: FormatName | None = None
    """Format of the files, where the guess is wrong."""
    synthetic: SyntheticSettings = SyntheticSettings()
    """Shape of the generated dataset."""
    features: dict[str, str] = Field(default_factory=dict)
    """Files of item features by modality, made by `rcekd data features`: data.features.NAME=FILE."""

    @field_validator("features")
    @classmethod
    def _lasting_paths(cls, value: dict[str, str]) -> dict[str, str]:
        """Absolute, so that a run can be resumed from another folder."""
        for name in value:
            if not _MODALITY.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a modality; small letters, digits and _ are allowed")
        return {name: str(at_home(path).absolute()) for name, path in value.items()}

    @field_validator("separator")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = "\t" if value in _TABS else value
        if len(value.encode()) != 1:
            raise ValueError("must be a single ASCII character")
        return value

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.valid_share + self.test_share >= 1.0:
            raise ValueError("valid_share + test_share must be below 1, or nothing is left to train on")
        return self
