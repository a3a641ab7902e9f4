"""When interactions happened, beside the rows that say who met what in which order."""

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor

from rcekd.kernels.csr import CSR


class History(NamedTuple):
    """What users have done, a row per user, in order. time: of every entry of the rows; None where it is not known."""

    rows: CSR
    time: Tensor | None = None


class Times(NamedTuple):
    """The time of every entry of train, valid and test, in the order of their CSRs.

    Each is int64, or float64 where the data has fractions, in the data's own unit (Unix seconds, as a rule); dates are
    microseconds since 1970. digest: hex digest of all three, equal for equal content.
    """

    train: Tensor
    valid: Tensor
    test: Tensor
    digest: str

    @staticmethod
    def of(train: Tensor, valid: Tensor, test: Tensor) -> "Times":
        """These times, with their digest."""
        digest = hashlib.sha256(f"rcekd times 1: {train.dtype}".encode())
        for part in (train, valid, test):
            digest.update(f"{part.numel()}".encode())
            digest.update(part.numpy().data)
        return Times(train, valid, test, digest.hexdigest())

    def to(self, device: torch.device) -> "Times":
        """The same times on a device; no copies where they are there already."""
        return Times(self.train.to(device), self.valid.to(device), self.test.to(device), self.digest)
