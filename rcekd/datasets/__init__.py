"""Data: from a name or a path to `Interactions`, cut into train, valid and test.

source (which files) -> download -> formats, lists, tables (reading) -> prepare, cores, split -> cache -> Interactions.
"""

from rcekd.datasets.catalog import CATALOG, CatalogEntry
from rcekd.datasets.interactions import Interactions, Pairs
from rcekd.datasets.load import load_dataset
from rcekd.datasets.settings import ColumnSettings, DataSettings, SyntheticSettings
from rcekd.datasets.times import History, Times

__all__ = [
    "CATALOG",
    "CatalogEntry",
    "ColumnSettings",
    "DataSettings",
    "History",
    "Interactions",
    "Pairs",
    "SyntheticSettings",
    "Times",
    "load_dataset",
]
