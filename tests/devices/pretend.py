"""Torch's spare device type as a device that is none (pretend.cpp), with the emulated CUDA kernels as its own.

Autograd starts a thread for every device when it is first used, so this is loaded before that: in a process of its own.
"""

import ctypes
import fcntl
import os
import re
import shutil
import subprocess
import types
from collections import Counter
from pathlib import Path

import torch

from rcekd import devices
from rcekd.kernels import cuda_library, library, self_check
from rcekd.kernels.cuda_library import CudaLibrary
from tests.kernels.cuda.emulated import library as emulated

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_suffix(".cpp")
FOLDER = ROOT / "build/pretend"
TORCH = Path(torch.__file__).parent
NAME = "pretend"


def build() -> Path | None:
    """The compiled device for the torch in use; None where there is no C++ compiler."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = FOLDER / f"libpretend-{torch.__version__}.so"
    with (FOLDER / "lock").open("w") as lock:  # test processes side by side share the folder
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.stat().st_mtime < SOURCE.stat().st_mtime:
            include = [f"-I{TORCH / 'include'}", f"-I{TORCH / 'include/torch/csrc/api/include'}"]
            link = [f"-L{TORCH / 'lib'}", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{TORCH / 'lib'}"]
            abi = f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"
            flags = ["-std=c++20", "-O0", "-w", "-fPIC", "-shared", abi]
            aside = made.with_suffix(f".{os.getpid()}")
            subprocess.run([compiler, *flags, *include, str(SOURCE), "-o", str(aside), *link], check=True)
            aside.replace(made)
    return made


def without_cuda() -> list[str]:
    """The operations of torch that have a kernel for the CPU and none for CUDA, by what its headers declare.

    A declaration tells nothing of types: some kernels of CUDA's take fewer of them than the CPU's.
    """
    folder, lacking = TORCH / "include/ATen/ops", []
    for header in folder.glob("*_cpu_dispatch.h"):
        name = header.name.removesuffix("_cpu_dispatch.h")
        if (folder / f"{name}_cuda_dispatch.h").exists():
            continue
        # One kernel for all devices; what it only generates is the form that writes into `out`, by calling the other.
        common = folder.glob(f"{name}_composite*_dispatch.h")
        if not any(re.search(rf"\b{name}\(", path.read_text()) for path in common):
            lacking.append(name)
    return sorted(lacking)


class Pretend:
    """The loaded device."""

    def __init__(self) -> None:
        made, kernels = build(), emulated()
        if made is None or kernels is None:
            raise OSError("no C++ compiler")
        self._core = ctypes.CDLL(str(made))
        self._core.pretend_take_waits.restype = ctypes.c_char_p
        for name in without_cuda():
            self._core.pretend_lack(f"aten::{name}".encode())
        torch.utils.rename_privateuse1_backend(NAME)
        torch._register_device_module(NAME, _module())
        devices.GPU_TYPES.add(NAME)
        self.device = torch.device(NAME, 0)
        assert len(library.CUDA) >= len(self_check.CHECKS)
        self._operations = torch.library.Library("rcekd", "IMPL")
        for name, implementation in library.CUDA.items():
            self._operations.impl(name, implementation, "PrivateUse1")
        cuda_library.current.library = CudaLibrary(kernels)

    def waits(self) -> Counter[str]:
        """How often the host has waited for the device since the last call, by what it wanted to know.

        Copies to the device, for which it may have to wait too, are among them.
        """
        lines = self._core.pretend_take_waits().decode().splitlines()
        return Counter({name: int(count) for name, count in (line.rsplit(" ", 1) for line in lines)})


def _module() -> types.ModuleType:
    """What torch asks of torch.<device>."""
    module = types.ModuleType(NAME)
    answers = {"is_available": True, "is_initialized": True, "_is_in_bad_fork": False, "device_count": 1}
    for name, answer in {**answers, "current_device": 0, "_lazy_init": None}.items():
        setattr(module, name, lambda answer=answer: answer)
    return module
