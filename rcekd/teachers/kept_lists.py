"""A teacher's lists, made once for every length and every set of seen items."""

from collections.abc import Callable

from torch import Tensor

from rcekd.kernels.csr import CSR


class KeptLists:
    """Remembers lists by their length and by what they leave out.

    What is left out is known by its place in memory, and kept with the lists so that nothing else comes to lie there.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int | None], tuple[CSR | None, Tensor]] = {}

    def get(self, k: int, seen: CSR | None, make: Callable[[], Tensor]) -> Tensor:
        """The lists of length k without `seen`, from `make` where they were not asked for before."""
        key = (k, None if seen is None else id(seen))
        if key not in self._kept:
            self._kept[key] = (seen, make())
        return self._kept[key][1]
