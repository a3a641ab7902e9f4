"""Devices: the CPU, or a GPU that torch and the native core reach by CUDA."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from rcekd.errors import InputError

NAMES = ("auto", "cpu", "cuda")
CPU = torch.device("cpu")

GPU_TYPES = {"cuda"}
"""Types of torch.device that are a GPU to the kernels; the tests add one of their own."""


class Choice(NamedTuple):
    """Where a command computes, and what its user should know of it."""

    device: torch.device
    warning: str | None = None


def is_gpu(device: torch.device) -> bool:
    """Whether the CUDA implementations are meant for this device."""
    return device.type in GPU_TYPES


def gpu() -> torch.device | str:
    """The GPU that torch computes on; where there is none, why, in one line."""
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) was built without CUDA; install a CUDA build of it"
    if not torch.cuda.is_available():
        return "torch sees no GPU; see that one is there and that its driver is new enough (`nvidia-smi`)"
    return torch.device("cuda", torch.cuda.current_device())


def choose(name: str, why_no_kernels: Callable[[], str | None]) -> Choice:
    """The device of `--device NAME`. InputError, with the remedy, for another name or a GPU that cannot be used.

    why_no_kernels: asked only where torch has a GPU; says why the CUDA kernels cannot be used, None where they can.
    Without them the plain-torch twins would stand in, which hold every score of every user: that is no way to train.
    """
    if name not in NAMES:
        raise InputError(f"--device {name!r}: expected auto, cpu or cuda")
    if name == "cpu":
        return Choice(CPU)
    found = gpu()
    if isinstance(found, str):
        if name == "cuda":
            raise InputError(f"--device cuda: {found}, or take --device cpu")
        return Choice(CPU)
    reason = why_no_kernels()
    if reason is None:
        return Choice(found)
    remedy = "install rcekd where nvcc is found (docs/cuda.md)"
    if name == "cuda":
        raise InputError(f"--device cuda: {reason}; {remedy}, or take --device cpu")
    return Choice(CPU, f"there is a GPU, but {reason}: computing on the CPU; {remedy}, or say --device cpu")


def describe(device: torch.device) -> str:
    """For summaries: cpu, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor of the CPU on a device; on a GPU queued like its work, so that the host does not wait."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def wait(device: torch.device) -> None:
    """Until all that was queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def restart_peak(device: torch.device) -> None:
    """Forget the device's peak memory so far."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int | None:
    """Bytes of tensors and scratch memory on the device at the highest since `restart_peak`; None on the CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
