"""Reading a torch checkpoint that holds foreign objects, without running any of its code.

torch.load(weights_only=True) refuses a file with any class it does not know; RecBole's checkpoints carry its Config.
Here a pickle is read as a description: every class or function it names becomes an inert record of what the pickle
wanted to call, with which arguments. Nothing named in the file is imported or called; tensors are then built from
the records and the raw bytes beside them.
"""

import io
import pickle
import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rcekd.errors import InputError

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_TENSOR = "torch._utils._rebuild_tensor_v2"
_PARAMETER = "torch._utils._rebuild_parameter"


class Inert:
    """What a pickle asked for instead of a class or a call: where it is from, and all that was done to it."""

    origin = ""

    arguments: tuple[Any, ...]
    items: dict[Any, Any]
    state: Any

    def __new__(cls, *arguments: Any, **_: Any) -> "Inert":  # a pickle may make an object without initialising it
        made = super().__new__(cls)
        made.arguments, made.items, made.state = arguments, {}, None
        return made

    def __call__(self, *arguments: Any) -> "Inert":
        return Inert(*arguments)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, value: Any) -> None:
        self.items[len(self.items)] = value

    def extend(self, values: Any) -> None:
        for value in values:
            self.append(value)

    def add(self, value: Any) -> None:
        self.append(value)


class _Reader(pickle.Unpickler):
    """Finds an inert class for every name, and leaves persistent ids as they are."""

    def find_class(self, module: str, name: str) -> Any:
        return type("Inert", (Inert,), {"origin": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> Any:
        return ("storage", pid)


def read_checkpoint(path: Path) -> Any:
    """The content of a zip checkpoint: plain values, tensors, dictionaries, and `Inert` for all else."""
    try:
        with zipfile.ZipFile(path) as archive:
            (record,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            pickled = archive.read(record)
            _check_places(pickled)
            content = _Reader(io.BytesIO(pickled)).load()
            return _built(content, archive, record.removesuffix("data.pkl"))
    except Exception as error:  # a pickle that is not what torch writes can fail in every way there is
        raise InputError(
            f"{path}: damaged, or not to be read without running its code ({type(error).__name__}); load it where you "
            "trust it, and save the tables: safetensors.torch.save_file({'user': U, 'item': I}, 'teacher.safetensors')"
        ) from error


def _check_places(pickled: bytes) -> None:
    """ValueError where a pickle files a value at a place beyond its own length: Python would make room up to there."""
    for opcode, place, _ in pickletools.genops(pickled):
        if opcode.name.endswith("PUT") and place is not None and place > len(pickled):
            raise ValueError(f"a value at place {place} of a pickle of {len(pickled)} bytes")


def _built(value: Any, archive: zipfile.ZipFile, folder: str) -> Any:
    """Records of tensors as tensors, of ordered dictionaries as dictionaries."""
    if isinstance(value, Inert):
        if value.origin == _PARAMETER:
            return _built(value.arguments[0], archive, folder)
        if value.origin == _TENSOR:
            return _tensor(value, archive, folder)
        if value.origin == "collections.OrderedDict":
            return {key: _built(item, archive, folder) for key, item in value.items.items()}
        return value
    if isinstance(value, Mapping):
        return {key: _built(item, archive, folder) for key, item in value.items()}
    return value


def _tensor(value: Inert, archive: zipfile.ZipFile, folder: str) -> Tensor | Inert:
    """arguments: ("storage", (…, type, key, device, length)), offset, size, stride, …, as torch pickles a tensor.

    One of a type that no table is made of, complex numbers say, stays the record that it is.
    """
    (_, (_, kind, key, _, _)), offset, size, stride = value.arguments[:4]
    dtype = _DTYPES.get(kind.origin.rpartition(".")[2])
    if dtype is None:
        return value
    data = bytearray(archive.read(f"{folder}data/{key}"))
    flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
    # as_strided copies nothing and refuses what reaches past the bytes.
    return flat.as_strided(size, stride, offset).clone()


def plain_settings(value: Any) -> Iterator[tuple[str, Any]]:
    """Settings that an inert object carried: pairs of name and plain value, as far as it kept them in dictionaries."""
    state = value.state if isinstance(value, Inert) else value
    if isinstance(state, Inert):
        state = state.items
    if isinstance(state, Mapping):
        for key, item in state.items():
            if isinstance(key, str) and isinstance(item, str | int | float | bool):
                yield key, item
            elif isinstance(item, Mapping | Inert):
                yield from plain_settings(item)
