"""Features laid beside a dataset's items, by their original ids."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch

from rcekd.datasets.features.table import FeatureTable, read_features
from rcekd.datasets.id_files import first_few
from rcekd.datasets.interactions import Interactions
from rcekd.datasets.item_features import ItemFeatures
from rcekd.errors import InputError


def attach(data: Interactions, files: Mapping[str, str]) -> Interactions:
    """The dataset with the features of these files (modality → path); itself where there are none.

    Raises InputError for a file that cannot be read, or has none of the dataset's items.
    """
    if not files:
        return data
    found = {name: aligned(data, read_features(Path(path)), name, path) for name, path in sorted(files.items())}
    return replace(data, features=found)


def aligned(data: Interactions, table: FeatureTable, name: str, where: str) -> ItemFeatures:
    """A table's vectors in the order of the dataset's items; zeros where an item has none.

    InputError where no item has any.
    """
    theirs = pl.DataFrame({"id": table.item_ids.cast(pl.String), "row": range(len(table.item_ids))})
    ours = data.item_ids.cast(pl.String).alias("id").to_frame()
    row_I = ours.join(theirs, on="id", how="left", maintain_order="left")["row"]
    missing_I = torch.from_numpy(row_I.is_null().to_numpy().copy())
    if bool(missing_I.all()):
        raise InputError(
            f"{where}: none of the {data.n_items:,} items of {data.name} is in it; check the ids of features {name!r}: "
            f"the dataset's are like {first_few(data.item_ids)}, the file's like {first_few(table.item_ids)}"
        )
    value_IF = torch.from_numpy(table.value_XF[row_I.fill_null(0).to_numpy()])
    value_IF[missing_I] = 0.0
    digest = hashlib.sha256(f"rcekd features 1: {tuple(value_IF.shape)}".encode())
    for tensor in (value_IF, missing_I):
        digest.update(tensor.numpy().data)
    return ItemFeatures(value_IF, missing_I, digest.hexdigest())
