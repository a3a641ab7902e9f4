"""Compressed sparse rows."""

import torch

from rcekd.kernels.csr import CSR


def test_take() -> None:
    rows = CSR(torch.tensor([0, 2, 2, 5]), torch.tensor([1, 2, 3, 4, 5], dtype=torch.int32))
    found = rows.take(torch.tensor([2, 1, 0, 2], dtype=torch.int32))
    assert found.indptr.tolist() == [0, 3, 3, 5, 8]
    assert found.indices.tolist() == [3, 4, 5, 1, 2, 3, 4, 5]
    assert rows.take(torch.tensor([], dtype=torch.int64)).indptr.tolist() == [0]


def csr(rows: list[list[int]]) -> CSR:
    lengths = torch.tensor([0, *map(len, rows)])
    return CSR(lengths.cumsum(0), torch.tensor([i for row in rows for i in row], dtype=torch.int32))


def test_holds_says_what_stands_in_the_same_row() -> None:
    asked = torch.tensor([[3, 1, 2], [3, 1, -1], [0, 5, 4]], dtype=torch.int32)
    found = csr([[2, 9], [], [5, 3, 0, 3]]).holds(asked)
    assert found.tolist() == [[False, False, True], [False] * 3, [True, True, False]]


def test_padding_is_in_no_row_though_the_key_of_a_neighbour_ends_there() -> None:
    asked = torch.tensor([[0], [-1]], dtype=torch.int32)
    assert csr([[9, 0], [0]]).holds(asked).tolist() == [[True], [False]]


def test_nothing_is_in_empty_rows() -> None:
    asked = torch.tensor([[0, 1], [2, 3]], dtype=torch.int32)
    assert not csr([[], []]).holds(asked).any()
    assert csr([[1], [2]]).holds(asked[:, :0]).shape == (2, 0)


def test_holds_in_random_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(0, 30, (n,), generator=generator).tolist() for n in (0, 1, 7, 25, 0)]
    asked = torch.randint(-2, 40, (5, 60), generator=generator)
    assert csr(rows).holds(asked).tolist() == [[v in row for v in asked[r].tolist()] for r, row in enumerate(rows)]
