"""Which of a file's tensors are the users', the items' and the items' biases."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rcekd.errors import InputError, nearest
from rcekd.teachers.importing.raw import RawFactors, as_table, as_vector, joined, shape
from rcekd.teachers.importing.request import ImportRequest

SHOWN = 12


class Picked(NamedTuple):
    """Names inside the file."""

    user: str
    item: str
    bias: str | None


def factors_from(format_name: str, tensors: Mapping[str, Any], request: ImportRequest, where: str) -> RawFactors:
    """The teacher among named arrays or tensors. InputError lists them where it is not plain which they are."""
    names = pick(tensors, request, where)
    bias = None if names.bias is None else as_vector(tensors[names.bias], f"{where}, {names.bias}")
    user_XD = as_table(tensors[names.user], f"{where}, {names.user}")
    item_YD = as_table(tensors[names.item], f"{where}, {names.item}")
    notes = [f"users from {names.user!r}, items from {names.item!r}"]
    return joined(format_name, user_XD, item_YD, bias, where, notes=tuple(notes))


def pick(tensors: Mapping[str, Any], request: ImportRequest, where: str) -> Picked:
    """Given names first; else the only table with `user` (`item`) in its name and the only item bias."""
    user = _table("user", request.user_key, tensors, where)
    item = _table("item", request.item_key, tensors, where)
    return Picked(user, item, _bias(request.item_bias, tensors, where))


def _table(side: str, given: str | None, tensors: Mapping[str, Any], where: str) -> str:
    if given is not None:
        return _named(given, f"--{side}-key", tensors, where)
    found = [
        name
        for name, tensor in tensors.items()
        if side in name.lower() and "bias" not in name.lower() and tensor.ndim == 2 and tensor.shape[1] > 1
    ]
    if len(found) == 1:
        return found[0]
    problem = f"several tables may be the {side}s'" if found else f"no table is plainly the {side}s'"
    raise InputError(f"{where}: {problem}; name it with --{side}-key, one of {_listed(tensors)}")


def _bias(given: str | None, tensors: Mapping[str, Any], where: str) -> str | None:
    if given is not None and given.endswith(".npy"):
        return None  # a file of its own, read by who reads the request
    if given is not None:
        return _named(given, "--item-bias", tensors, where)
    found = [name for name in tensors if "item" in name.lower() and "bias" in name.lower()]
    if len(found) > 1:
        raise InputError(f"{where}: several vectors may be the item biases; name one with --item-bias: {found}")
    return found[0] if found else None


def _named(given: str, option: str, tensors: Mapping[str, Any], where: str) -> str:
    if given in tensors:
        return given
    raise InputError(f"{where}: {option} {given!r} is not in it{nearest(given, list(tensors)[:SHOWN])}")


def _listed(tensors: Mapping[str, Any]) -> str:
    """Names and shapes, the largest first."""
    ordered = sorted(tensors, key=lambda name: -int(_size(tensors[name])))
    parts = [f"{name} {shape(tensors[name])}" for name in ordered[:SHOWN]]
    return ", ".join(parts) + (", …" if len(ordered) > SHOWN else "")


def _size(tensor: Any) -> int:
    size = 1
    for length in tensor.shape:
        size *= int(length)
    return size
