"""Whether an exported ONNX model gives our own lists."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rcekd.errors import InputError
from rcekd.extras import require
from rcekd.kernels.csr import CSR
from rcekd.serving.top import Lists

TOLERANCE = 1e-4  # of the largest score: float32 sums in another order differ by a hundredth of that


class Parity(NamedTuple):
    """How two sets of lists differ: largest difference of a score, relative to the largest score; and, among `rows`
    lists, how many name other items somewhere (scores that are equal but for rounding change places)."""

    largest_difference: float
    lists_with_other_items: int
    rows: int


def padded(rows: CSR) -> np.ndarray:
    """The rows as int64 [B, longest], padded with −1: what the models take as `seen` and `history`."""
    length_B = rows.lengths()
    width = max(1, int(length_B.max()) if length_B.numel() else 0)
    table = torch.full((rows.n_rows, width), -1, dtype=torch.int64)
    table[torch.arange(width) < length_B.unsqueeze(1)] = rows.indices.long()
    found: np.ndarray = table.numpy()
    return found


def session(path: Path, threads: int = 1) -> Any:
    """An onnxruntime session on the CPU."""
    onnxruntime = require("onnxruntime", "serving", otherwise="give --no-onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(model: Any, source: str, source_ids: np.ndarray, seen: CSR, k: int) -> Lists:
    """Lists of a session. `source` is the name of its first input: user or history."""
    given = {source: source_ids, "seen": padded(seen), "k": np.array([k], dtype=np.int64)}
    item, score = model.run(["item", "score"], given)
    return Lists(torch.from_numpy(item).int(), torch.from_numpy(score))


def compare(theirs: Lists, ours: Lists) -> Parity:
    """How lists of the same users differ; a list that ends at another place differs infinitely."""
    k = min(theirs.score_BK.shape[1], ours.score_BK.shape[1])
    there, here = theirs.score_BK[:, :k].double(), ours.score_BK[:, :k].double()
    if not torch.equal(there.isinf(), here.isinf()):
        return Parity(float("inf"), 0, here.shape[0])
    both = ~here.isinf()
    scale = float(here[both].abs().max()) if both.any() else 1.0
    largest = float((there[both] - here[both]).abs().max()) if both.any() else 0.0
    other = (theirs.item_BK[:, :k] != ours.item_BK[:, :k]).any(1)
    return Parity(largest / max(scale, 1e-30), int(other.sum()), here.shape[0])


def require_parity(path: Path, parity: Parity) -> None:
    """InputError where the difference is more than rounding."""
    if not parity.largest_difference <= TOLERANCE:
        raise InputError(
            f"{path.name}: scores of onnxruntime differ from ours by {parity.largest_difference:.1e} of the largest, "
            f"more than {TOLERANCE:g}; nothing was exported: give --no-onnx, or report it with onnxruntime's version"
        )


def spread(n: int, most: int) -> Tensor:
    """At most so many of 0 … n − 1, evenly chosen, int32."""
    return torch.arange(0, n, max(1, -(-n // most)), dtype=torch.int32)
