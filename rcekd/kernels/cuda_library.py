"""The CUDA library csrc/cuda, loaded when a tensor on a GPU first asks for it; torch allocates, the library computes.

The launch layer knows only a library's C interface, so that the tests can put the emulated one (csrc/emulator) in its
place and run the very same code on tensors of the CPU.
"""

import ctypes
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from rcekd.kernels.cuda_arguments import ARGUMENTS, Call

FILE = Path(__file__).with_name("_cuda.so")


class CudaLibrary:
    """A loaded library. OSError where it cannot be loaded, ValueError where it was built from other sources."""

    def __init__(self, path: Path) -> None:
        self._core = ctypes.CDLL(str(path))
        self._core.rcekd_cuda_error.restype = ctypes.c_char_p
        for name, struct in ARGUMENTS.items():
            self._function(name, "_workspace").restype = ctypes.c_int64
            self._function(name, "_size").restype = ctypes.c_int64
            if self._function(name, "_size")() != ctypes.sizeof(struct):
                raise ValueError(f"{path} was built from other sources: its {name} takes other arguments")

    def _function(self, name: str, suffix: str = "") -> "ctypes._FuncPointer":
        function: ctypes._FuncPointer = getattr(self._core, f"rcekd_cuda_{name}{suffix}")
        return function

    def devices(self) -> int:
        """How many GPUs the driver offers this library. RuntimeError, in the driver's words, where it cannot say."""
        count = int(self._core.rcekd_cuda_devices())
        if count < 0:
            raise RuntimeError(self.error(-count))
        return count

    def error(self, code: int) -> str:
        """What a cudaError_t means."""
        text: bytes = self._core.rcekd_cuda_error(code)
        return text.decode()

    def run(self, name: str, device: torch.device, fields: dict[str, object], beside: dict[str, Tensor]) -> None:
        """See the function of that name. RuntimeError where CUDA refuses."""
        _check_device(name, device, {**fields, **beside})
        arguments = _filled(ARGUMENTS[name], fields)
        room = self._function(name, "_workspace")(ctypes.byref(arguments))
        workspace = torch.empty(max(room, 1), dtype=torch.uint8, device=device)
        on_gpu = device.type == "cuda"
        stream = torch.cuda.current_stream(device).cuda_stream if on_gpu else 0
        number = (torch.cuda.current_device() if device.index is None else device.index) if on_gpu else 0
        call = _filled(Call, {"workspace": workspace, "stream": stream, "device": number, **beside})
        # The library makes the tensors' device the current one of this thread, which is torch's as well.
        with torch.cuda.device(number) if on_gpu else nullcontext():
            code = self._function(name)(ctypes.byref(arguments), ctypes.byref(call))
        if code:
            raise RuntimeError(f"the CUDA operation {name} failed: {self.error(code)}")


def _check_device(name: str, device: torch.device, fields: Mapping[str, object]) -> None:
    """ValueError for a tensor elsewhere, whose address would mean nothing on the device."""
    for field, value in fields.items():
        if isinstance(value, Tensor) and value.device != device:
            raise ValueError(f"{name}: {field} is on {value.device}, not on {device} like the rest")


def _filled(struct: type[ctypes.Structure], fields: Mapping[str, object]) -> ctypes.Structure:
    """A struct with these fields: tensors by their address, None as 0, and 0 where nothing is said."""
    unknown = fields.keys() - {field for field, *_ in struct._fields_}
    if unknown:
        raise TypeError(f"{struct.__name__} has no {sorted(unknown)}")
    plain = {field: value.data_ptr() if isinstance(value, Tensor) else value or 0 for field, value in fields.items()}
    return struct(**plain)


class _Current:
    """The library in use; the tests replace it."""

    library: CudaLibrary | None = None


current = _Current()


@cache
def _why_not() -> str | None:
    """Loads the built library into `current`; says why that is not possible."""
    if not FILE.is_file():
        return "this installation was built without nvcc, so it has no CUDA kernels"
    try:
        library = CudaLibrary(FILE)
        count = library.devices()
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        return f"the CUDA kernels cannot be used: {error}"
    if not count:
        return "the CUDA kernels cannot be used: no GPU was found"
    current.library = library
    return None


def why_unavailable() -> str | None:
    """Why the CUDA kernels cannot be used, one line; None where they can."""
    return None if current.library is not None else _why_not()


def run(name: str, like: Tensor, *, beside: dict[str, Tensor] | None = None, **fields: object) -> None:
    """Queue operation `name` on the current stream of the device of `like`.

    `fields` are those of its argument struct, `beside` those of struct rcekd_cuda_call, with tensors for addresses.
    RuntimeError where the kernels cannot be used, or CUDA refuses; ValueError for a tensor on another device.
    """
    reason = why_unavailable()
    if current.library is None:
        raise RuntimeError(reason)
    current.library.run(name, like.device, fields, beside or {})
