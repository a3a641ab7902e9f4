"""Arguments for the kernels' doors, made by Hypothesis: sound but for at most one, which is spoiled in a known way."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from hypothesis import strategies as st
from torch import Tensor

from rcekd.kernels.csr import CSR

T = TypeVar("T")
Spoiler = Callable[["Making", Tensor], Tensor]

INT32, INT64 = 2**31 - 1, 2**63 - 1
HUGE = (INT32 + 1, 2**32, 2**32 + 5, 2**40, 2**62, INT64)
# Sizes: the odd ones around the sixteen lanes, panels and tiles of the core.
SIZES = st.sampled_from([0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 47, 48, 49, 70, 130])
WIDTHS = st.sampled_from([1, 2, 3, 8, 15, 16, 17, 20, 33, 64, 65, 130])
# Not finite, denormal, a zero of its own; and what overflows: sums of such numbers depend on their order.
MODERATE = (float("nan"), float("inf"), -float("inf"), 1e-40, -0.0)
SPECIAL = (*MODERATE, 3e38, -3e38)


class Making:
    """One call's arguments. `spoiled` names the argument that is spoiled, None where all are sound."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], spoilable: Sequence[str]) -> None:
        self._draw = draw
        self.generator = torch.Generator().manual_seed(self.one(st.integers(0, 2**32 - 1)))
        self.spoiled: str | None = self.one(st.one_of(st.none(), st.sampled_from(spoilable)))

    def one(self, strategy: st.SearchStrategy[T]) -> T:
        """One value of a strategy."""
        value: T = self._draw(strategy)
        return value

    def among(self, *values: T) -> T:
        """One of these."""
        return self.one(st.sampled_from(values))

    def size(self, *, least: int = 0) -> int:
        """A number of rows or items."""
        return max(least, self.one(SIZES))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(*shape, generator=self.generator)

    def random(self, *shape: int) -> Tensor:
        """Standard normal numbers, or whole ones with many ties, or large or small ones."""
        value = self.normal(*shape)
        return self.among(lambda: value, lambda: value.round(), lambda: value * 1e9, lambda: value * 1e-20)()

    def special(self, value: Tensor, numbers: Sequence[float] = SPECIAL) -> Tensor:
        """The same with one of `numbers` somewhere; now and then."""
        if value.numel() and self.among(False, False, False, True):
            value = value.clone()
            value.view(-1)[self.one(st.integers(0, value.numel() - 1))] = self.among(*numbers)
        return value

    def integers(self, bound: int, *shape: int, lowest: int = 0) -> Tensor:
        """Ids in [lowest, bound), int32 or int64."""
        dtype = self.among(torch.int32, torch.int64)
        if bound <= lowest:
            return torch.zeros(*shape, dtype=dtype)
        return torch.randint(lowest, bound, shape, generator=self.generator).to(dtype)

    def sets(self, rows: int, items: int) -> CSR:
        """A CSR of ascending rows without repeats; some are empty, some whole."""
        share = self.among(0.0, 0.1, 0.5, 0.95, 1.1)
        row, column = (torch.rand(rows, items, generator=self.generator) < share).nonzero().T
        return CSR.from_pairs(row, column, rows)

    def ragged(self, name: str, rows: int, entries: int) -> Tensor:
        """Row starts of `entries` entries, spoiled where `name` is."""
        cut = torch.randint(entries + 1, (max(rows - 1, 0),), generator=self.generator).sort().values
        ends = torch.tensor([entries] if rows else [], dtype=torch.int64)
        return self.passed(name, torch.cat([torch.zeros(1, dtype=torch.int64), cut, ends]), *INDPTR)

    def seen(self, rows: int, items: int) -> CSR:
        """`sets`, its two halves spoiled as "seen.indptr" and "seen.indices"."""
        seen = self.sets(rows, items)
        return CSR(
            self.passed("seen.indptr", seen.indptr, *INDPTR), self.passed("seen.indices", seen.indices, *IDS, unsorted)
        )

    def passed(self, name: str, value: Tensor, *spoilers: Spoiler) -> Tensor:
        """The tensor in some layout of memory, spoiled where it is `name`'s turn."""
        if self.spoiled == name:
            return self.among(*spoilers)(self, value)
        return restrided(self, value)

    def number(self, name: str, value: T, *bad: Any) -> Any:
        """The number, or one of `bad` where it is `name`'s turn."""
        return self.among(*bad) if self.spoiled == name else value


def restrided(making: Making, value: Tensor) -> Tensor:
    """The same numbers: contiguous, with gaps, at an odd address, or with its dimensions laid out in reverse."""
    how = making.among("as it is", "as it is", "gaps", "offset", "reversed")
    if how == "gaps":
        return torch.stack([value, value], dim=-1)[..., 0]
    if how == "offset":
        return torch.cat([value.new_zeros(1), value.flatten()])[1:].view(value.shape)
    if how == "reversed" and value.dim() == 2:
        return value.T.contiguous().T
    return value


def other_dtype(making: Making, value: Tensor) -> Tensor:
    """Another dtype."""
    dtypes = (torch.float64, torch.float16, torch.bfloat16, torch.int16, torch.int64, torch.bool, torch.complex64)
    return value.to(making.among(*(one for one in dtypes if one != value.dtype)))


def other_shape(making: Making, value: Tensor) -> Tensor:
    """A dimension more, a dimension less, or a row more or less."""
    ways = [lambda: value[None], lambda: value[..., None], lambda: value.flatten()[:0], lambda: value.sum()]
    if value.dim() and value.shape[0]:
        ways += [lambda: value[1:], lambda: value[0], lambda: torch.cat([value, value[:1]]), lambda: value[:, None]]
    if value.dim() == 2:
        ways += [lambda: value[:, 1:], lambda: value[:, :0], lambda: value.T]
    return making.among(*ways)()


def sparse(_making: Making, value: Tensor) -> Tensor:
    """Not strided memory at all."""
    return value.to_sparse()


def outside(making: Making, ids: Tensor) -> Tensor:
    """One id that no table has, int64."""
    ids = ids.long().clone()
    if ids.numel():
        place = making.one(st.integers(0, ids.numel() - 1))
        ids.view(-1)[place] = making.among(-1, -2, -INT32 - 1, -INT64, 200, INT32, *HUGE)
    return ids


def unsorted(making: Making, ids: Tensor) -> Tensor:
    """The entries in another order, with repeats."""
    if not ids.numel():
        return ids
    return ids[torch.randint(ids.numel(), ids.shape, generator=making.generator)]


def broken(making: Making, indptr: Tensor) -> Tensor:
    """Row starts of which one is something else."""
    indptr = indptr.clone()
    indptr[making.one(st.integers(0, indptr.numel() - 1))] = making.among(-1, 0, 1, 3, 1000, -INT64, *HUGE)
    return indptr


FACTORS: tuple[Spoiler, ...] = (other_dtype, other_shape, sparse)
IDS: tuple[Spoiler, ...] = (outside, outside, other_dtype, other_shape, sparse)
INDPTR: tuple[Spoiler, ...] = (broken, broken, other_dtype, other_shape, sparse)
