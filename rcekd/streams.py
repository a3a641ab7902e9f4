"""Seeds for torch's generators: one independent stream per purpose and epoch."""

import hashlib

import torch


def stream_seed(seed: int, purpose: str, epoch: int) -> int:
    """A 63-bit seed for one purpose in one epoch; different purposes and epochs are independent."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{epoch}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def stream(seed: int, purpose: str, epoch: int = 0) -> torch.Generator:
    """A CPU generator that depends on nothing but its arguments."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose, epoch))
