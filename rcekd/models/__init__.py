"""Backbones. `MODELS` is the one table from a name to its settings and its class."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from rcekd.datasets import Interactions
from rcekd.errors import InputError, nearest
from rcekd.models.base import Backbone, Batch, FactorTables, ModelSettings
from rcekd.models.bm3 import BM3, BM3Settings
from rcekd.models.hstu import HSTU, HSTUSettings
from rcekd.models.lightgcn import LightGCN, LightGCNSettings
from rcekd.models.mf import MF, MFSettings
from rcekd.models.sasrec import SASRec, SASRecSettings

__all__ = [
    "BM3",
    "HSTU",
    "MF",
    "MODELS",
    "BM3Settings",
    "Backbone",
    "Batch",
    "FactorTables",
    "HSTUSettings",
    "LightGCN",
    "LightGCNSettings",
    "MFSettings",
    "ModelSettings",
    "SASRec",
    "SASRecSettings",
    "build_model",
    "empty_model",
    "find",
]


class Entry(NamedTuple):
    """A backbone's settings and how it is built: from data, its settings and a generator of initial values."""

    settings: type[ModelSettings]
    build: Callable[[Interactions, Any, torch.Generator], Backbone]


MODELS: dict[str, Entry] = {
    "mf": Entry(MFSettings, MF),
    "lightgcn": Entry(LightGCNSettings, LightGCN),
    "bm3": Entry(BM3Settings, BM3),
    "sasrec": Entry(SASRecSettings, SASRec),
    "hstu": Entry(HSTUSettings, HSTU),
}


def find(name: str) -> Entry:
    """The entry of a backbone; InputError with the nearest name when there is none."""
    if name not in MODELS:
        raise InputError(f"unknown model {name!r}{nearest(name, MODELS)}")
    return MODELS[name]


def build_model(settings: ModelSettings, data: Interactions, *, seed: int) -> Backbone:
    """A freshly initialised model for this data, where the data is.

    The same seed gives the same bytes on any machine with this torch, and on any device.
    """
    return find(settings.model).build(data, settings, torch.Generator().manual_seed(seed)).to(data.device)


def empty_model(settings: ModelSettings, data: Interactions) -> Backbone:
    """A model for this data that takes up no memory, on torch's meta device: to be given weights."""
    with torch.device("meta"):
        return find(settings.model).build(data, settings, torch.Generator(device="cpu"))
