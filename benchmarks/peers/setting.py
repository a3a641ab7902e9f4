"""What every comparison with a peer shares: real interactions, factor tables of a real model, one number of threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from rcekd.datasets import Interactions
from rcekd.extras import require
from rcekd.kernels.csr import CSR
from rcekd.models import FactorTables

EXTRA = "peers"
MODULES = ("implicit", "faiss", "ranx", "scipy.sparse", "threadpoolctl")


class Setting(NamedTuple):
    """One dataset, tables of one width over it, and how many threads every side gets."""

    data: Interactions
    tables: FactorTables
    threads: int

    def __str__(self) -> str:
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.data.name}, d = {self.tables.item_ID.shape[1]}, {threads}"


def peer(module: str) -> Any:
    """A peer's module. InputError, with the command that installs it, where it is not there."""
    return require(module, EXTRA)


def matrix(rows: CSR, n_items: int) -> Any:
    """The CSR as scipy's, ones in float32, which is what implicit takes."""
    ones = torch.ones(rows.indices.numel()).numpy()
    return peer("scipy.sparse").csr_matrix(
        (ones, rows.indices.numpy(), rows.indptr.numpy()), shape=(rows.n_rows, n_items)
    )


def als_tables(data: Interactions, dim: int) -> FactorTables:
    """What implicit's ALS learns from the training part in five iterations: scores with the skew of real ones."""
    with limited(1):
        model = peer("implicit.cpu.als").AlternatingLeastSquares(
            factors=dim, iterations=5, random_state=0, num_threads=1
        )
        model.fit(matrix(data.seen, data.n_items), show_progress=False)
    return FactorTables(torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors))


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """So many threads for torch, ours and faiss; numpy's and scipy's BLAS get one, as implicit asks for.

    implicit and ranx take the number as an argument.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    peer("faiss").omp_set_num_threads(threads)
    pools = peer("threadpoolctl").ThreadpoolController().select(internal_api="openblas", threading_layer="pthreads")
    try:
        with pools.limit(limits=1):
            yield
    finally:
        torch.set_num_threads(before)
