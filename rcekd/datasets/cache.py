"""Prepared data on disk: one file a dataset and setting, named by what went in, checked when it comes out."""

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import torch
from polars.exceptions import PolarsError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rcekd.datasets.download import file_sha256
from rcekd.datasets.interactions import Interactions, content_fingerprint
from rcekd.datasets.places import whole_file
from rcekd.datasets.prepare import Plan
from rcekd.datasets.settings import DataSettings
from rcekd.datasets.source import Source
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR

# Raise it whenever the same raw file and settings would be prepared differently.
_VERSION = 1
_PARTS = ("train", "valid", "test")


def cache_key(source: Source, plan: Plan, settings: DataSettings) -> str:
    """Hex digest of everything the prepared data depends on: raw bytes, settings, version of this code."""
    ingredients = {
        "version": _VERSION,
        "name": source.name,
        "files": [(file.part, file.path.suffix, file_sha256(file.path)) for file in source.files],
        "format": settings.format or source.format,
        "plan": asdict(plan),
        "columns": settings.columns.model_dump(),
        "separator": settings.separator,
        "synthetic": None if source.files else settings.synthetic.model_dump(),
    }
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()


def cache_path(folder: Path, name: str, key: str) -> Path:
    """Where the prepared data with this key is kept."""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    return folder / f"{plain}-{key[:20]}.safetensors"


def write_cache(path: Path, data: Interactions) -> None:
    """Store `data`, whole or not at all. Raises InputError where the folder cannot be written."""
    tensors = {"user_ids": _packed(data.user_ids), "item_ids": _packed(data.item_ids)}
    for part in _PARTS:
        rows: CSR = getattr(data, part)
        tensors[f"{part}_indptr"] = rows.indptr
        tensors[f"{part}_indices"] = rows.indices
    told = {
        "name": data.name,
        "split": data.split,
        "fingerprint": data.fingerprint,
        "preparation": json.dumps(dict(data.preparation)),
    }
    with whole_file(path) as aside:
        try:
            save_file(tensors, aside, metadata=told)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_cache(path: Path) -> Interactions | None:
    """What `write_cache` stored, memory-mapped; None where there is no such file or its content is not what it was."""
    if not path.exists():
        return None
    try:
        data = _read(path)
    except (SafetensorError, PolarsError, OSError, KeyError, ValueError, InputError):
        return None
    parts = (data.train, data.valid, data.test)
    intact = content_fingerprint(parts, data.user_ids, data.item_ids) == data.fingerprint
    return data if intact else None


def _read(path: Path) -> Interactions:
    with safe_open(path, framework="pt") as file:
        told = file.metadata()
        parts = {part: CSR(file.get_tensor(f"{part}_indptr"), file.get_tensor(f"{part}_indices")) for part in _PARTS}
        user_ids, item_ids = _unpacked(file.get_tensor("user_ids")), _unpacked(file.get_tensor("item_ids"))
    return Interactions(
        name=told["name"],
        split=told["split"],
        n_users=len(user_ids),
        n_items=len(item_ids),
        user_ids=user_ids,
        item_ids=item_ids,
        fingerprint=told["fingerprint"],
        preparation=json.loads(told["preparation"]),
        **parts,
    )


def _packed(ids: pl.Series) -> Tensor:
    """Arrow bytes: the one form that holds integers and strings alike."""
    buffer = io.BytesIO()
    ids.to_frame().write_ipc(buffer)
    return torch.from_numpy(np.frombuffer(buffer.getvalue(), dtype=np.uint8).copy())


def _unpacked(packed: Tensor) -> pl.Series:
    return pl.read_ipc(io.BytesIO(packed.numpy().tobytes())).to_series()
