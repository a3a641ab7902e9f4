"""Readers of tensors by name: safetensors, torch state dicts, RecBole's checkpoints. Weights only, no code is run."""

import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rcekd.datasets.binary import one_line
from rcekd.datasets.formats import refuse_empty
from rcekd.errors import InputError
from rcekd.teachers.importing.inert_pickle import plain_settings, read_checkpoint
from rcekd.teachers.importing.pick import factors_from
from rcekd.teachers.importing.raw import RawFactors
from rcekd.teachers.importing.request import ImportRequest

_STATES = ("state_dict", "model_state_dict", "model")
_RECBOLE_KEYS = {"config", "state_dict", "other_parameter"}
# Where a run folder's model.safetensors says which backbone it is.
_OWN_KEY = "rcekd"


def read_safetensors(request: ImportRequest) -> RawFactors:
    """Tensors by name, `user` and `item` as in rcekd's own model.safetensors of an MF, or any others.

    InputError for another backbone of rcekd's, which stores what it makes its vectors of.
    """
    (path,) = request.files
    refuse_empty(path)
    try:
        with safe_open(path, framework="pt") as file:
            backbone = _own_backbone(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({one_line(error)[:120]})") from error
    if backbone not in (None, "mf"):
        raise InputError(
            f"{path}: a {backbone} of rcekd's, whose tables are not the vectors that it scores with; give "
            f"`distill --teacher {path.parent}`, or import the factors.safetensors of `rcekd export {path.parent}`"
        )
    return factors_from("safetensors", tensors, request, str(path))


def _own_backbone(metadata: Mapping[str, str]) -> str | None:
    """What a run of rcekd's trained; None for any other file."""
    try:
        told = json.loads(metadata.get(_OWN_KEY, ""))
    except ValueError:
        return None
    return told.get("model") if isinstance(told, dict) else None


def read_torch(request: ImportRequest) -> RawFactors:
    """A state dict, or a checkpoint that holds one under `state_dict`, `model_state_dict` or `model`."""
    (path,) = request.files
    content = load_checkpoint(path)
    if is_recbole(content):
        return _from_recbole(content, request, path)
    return factors_from("torch", _state(content, path), request, str(path))


def read_recbole(request: ImportRequest) -> RawFactors:
    """A checkpoint of RecBole's trainer; final vectors of a graph model where it kept them, else its embeddings."""
    (path,) = request.files
    content = load_checkpoint(path)
    if not is_recbole(content):
        raise InputError(f"{path}: not a checkpoint of RecBole's (no {', '.join(sorted(_RECBOLE_KEYS))}); try torch")
    return _from_recbole(content, request, path)


def load_checkpoint(path: Path) -> Any:
    """What torch.save wrote, without running any code that the file may ask for."""
    refuse_empty(path)
    try:
        with warnings.catch_warnings():  # torch remarks on the pickle protocol that RecBole chooses
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        return read_checkpoint(path)
    except Exception as error:  # torch raises what its readers raise
        raise InputError(f"{path}: not a file of torch.save ({one_line(error)[:120]})") from error


def is_recbole(content: Any) -> bool:
    """Whether a file of torch.save holds what RecBole's trainer saves."""
    return isinstance(content, Mapping) and content.keys() >= _RECBOLE_KEYS


def _state(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        for key in _STATES:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
    raise InputError(f"{path}: holds no tensors by name; save the model's state_dict()")


def _from_recbole(content: Mapping[str, Any], request: ImportRequest, path: Path) -> RawFactors:
    for side, given in (("user", request.user_ids), ("item", request.item_ids)):
        if given is None:
            raise InputError(
                f"{path}: RecBole numbers {side}s in an order of its own; give --{side}-ids FILE, written by "
                f"numpy.savetxt('{side}s.txt', dataset.field2id_token['{side}_id'], fmt='%s') in RecBole"
            )
    final = {key: value for key, value in (content["other_parameter"] or {}).items() if isinstance(value, Tensor)}
    model = dict(plain_settings(content["config"])).get("model", "a model it does not name")
    if {"restore_user_e", "restore_item_e"} <= final.keys() and not (request.user_key or request.item_key):
        found = factors_from("recbole", final, request, str(path))
        return _noted(found, f"RecBole's {model}: the final vectors of its last evaluation")
    found = factors_from("recbole", _state(content, path), request, str(path))
    # What a matrix factorisation stores is what it scores with; other models compute their vectors first.
    plain = "" if model == "BPR" else "; right only if its score is the inner product of these two tables"
    return _noted(found, f"RecBole's {model}{plain}")


def _noted(found: RawFactors, note: str) -> RawFactors:
    return RawFactors(found.format, found.user_XD, found.item_YD, notes=(*found.notes, note))
