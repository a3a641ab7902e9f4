"""Compressed sparse rows."""

import torch

from rcekd.kernels.csr import CSR


def test_take() -> None:
    rows = CSR(torch.tensor([0, 2, 2, 5]), torch.tensor([1, 2, 3, 4, 5], dtype=torch.int32))
    found = rows.take(torch.tensor([2, 1, 0, 2], dtype=torch.int32))
    assert found.indptr.tolist() == [0, 3, 3, 5, 8]
    assert found.indices.tolist() == [3, 4, 5, 1, 2, 3, 4, 5]
    assert rows.take(torch.tensor([], dtype=torch.int64)).indptr.tolist() == [0]
