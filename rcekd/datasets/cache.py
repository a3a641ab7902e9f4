"""Prepared data on disk: one file a dataset and setting, named by what went in, checked when it comes out."""

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rcekd.datasets.download import file_sha256
from rcekd.datasets.interactions import Interactions
from rcekd.datasets.places import whole_file
from rcekd.datasets.prepare import Plan
from rcekd.datasets.settings import DataSettings
from rcekd.datasets.source import Source
from rcekd.datasets.times import Times
from rcekd.kernels.csr import CSR

# Raise it whenever the same raw file and settings would be prepared differently.
_VERSION = 4
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
        if data.times is not None:
            tensors[f"{part}_time"] = getattr(data.times, part)
    told = {
        "name": data.name,
        "split": data.split,
        "fingerprint": data.fingerprint,
        "preparation": dict(data.preparation),
        "times": None if data.times is None else data.times.digest,
    }
    # One entry of metadata only: safetensors writes several in random order, and equal data should be equal bytes.
    metadata = {"told": json.dumps(told | {"digest": _digest(tensors, told)}, sort_keys=True)}
    with whole_file(path) as aside:
        try:
            save_file(tensors, aside, metadata=metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_cache(path: Path) -> Interactions | None:
    """What `write_cache` stored, memory-mapped; None where there is no such file or its content is not what it was."""
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads((file.metadata() or {}).get("told", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError):
        return None
    # The digest is compared before anything is decoded: broken Arrow bytes can bring the decoder down.
    if not isinstance(told, dict) or told.pop("digest", None) != _digest(tensors, told):
        return None
    return _rebuilt(tensors, told)


def _rebuilt(tensors: dict[str, Tensor], told: dict[str, Any]) -> Interactions:
    train, valid, test = (CSR(tensors[f"{part}_indptr"], tensors[f"{part}_indices"]) for part in _PARTS)
    user_ids, item_ids = _unpacked(tensors["user_ids"]), _unpacked(tensors["item_ids"])
    times = None
    if told.get("times") is not None:
        times = Times(tensors["train_time"], tensors["valid_time"], tensors["test_time"], told["times"])
    return Interactions(
        name=told["name"],
        split=told["split"],
        n_users=len(user_ids),
        n_items=len(item_ids),
        train=train,
        valid=valid,
        test=test,
        user_ids=user_ids,
        item_ids=item_ids,
        fingerprint=told["fingerprint"],
        preparation=told["preparation"],
        times=times,
    )


def _digest(tensors: dict[str, Tensor], told: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def _packed(ids: pl.Series) -> Tensor:
    """Arrow bytes: the one form that holds integers and strings alike."""
    buffer = io.BytesIO()
    ids.to_frame().write_ipc(buffer)
    return torch.from_numpy(np.frombuffer(buffer.getvalue(), dtype=np.uint8).copy())


def _unpacked(packed: Tensor) -> pl.Series:
    return pl.read_ipc(io.BytesIO(packed.numpy().tobytes())).to_series()
