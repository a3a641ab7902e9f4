"""Reading what an export wrote."""

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor


def tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file."""
    return dict(load_file(path))
