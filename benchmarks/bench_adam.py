"""One Adam step over the student's and the teacher's tables: torch against the native sweep."""

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import BATCH, CITEULIKE, STUDENT_DIM, TEACHER_DIM
from rcekd.kernels.adam import adam_step_

SETTINGS = {"lr": 1e-3, "weight_decay": 1e-5}
MORE = {"step": 3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


def row_sparse(grad: Tensor) -> Tensor:
    row = torch.randperm(grad.shape[0], generator=torch.Generator().manual_seed(0))[: 3 * BATCH].sort().values
    return torch.sparse_coo_tensor(row[None], grad[row], grad.shape, is_coalesced=True, check_invariants=False)


def bench(width: int) -> str:
    rows = CITEULIKE.users + CITEULIKE.items
    leaf = torch.randn(rows, width, requires_grad=True)
    leaf.grad = torch.randn(rows, width)
    state = [leaf, torch.zeros(rows, width), torch.zeros(rows, width)]
    sparse = row_sparse(leaf.grad)
    optimizers = {
        name: torch.optim.Adam([leaf], **SETTINGS, **options)
        for name, options in (("default", {}), ("foreach", {"foreach": True}), ("fused", {"fused": True}))
    }
    calls = {f"torch {name}": optimizer.step for name, optimizer in optimizers.items()}
    calls["native, row-sparse"] = lambda: adam_step_(*state, sparse, **MORE, **SETTINGS)
    calls["native, lazy, row-sparse"] = lambda: adam_step_(*state, sparse, **MORE, **SETTINGS, lazy=True)
    calls["native, dense"] = lambda: adam_step_(*state, leaf.grad, **MORE, **SETTINGS)
    return table(f"Adam, {rows} × {width} = {rows * width / 1e6:.2f} M parameters", interleaved(calls))


def bench_huge(rows: int, width: int) -> str:
    """A table that a batch touches little of: rows without gradient rest in the last two."""
    leaf = torch.randn(rows, width, requires_grad=True)
    state = [leaf, torch.zeros(rows, width), torch.zeros(rows, width)]
    leaf.grad = sparse = row_sparse(torch.randn(rows, width))
    optimizer = torch.optim.SparseAdam([leaf], lr=SETTINGS["lr"])
    calls = {
        "native, row-sparse": lambda: adam_step_(*state, sparse, **MORE, **SETTINGS),
        "torch SparseAdam": optimizer.step,
        "native, lazy, row-sparse": lambda: adam_step_(*state, sparse, **MORE, **SETTINGS, lazy=True),
    }
    title = f"Adam, {rows} × {width} = {rows * width / 1e6:.0f} M parameters, {3 * BATCH} rows with a gradient"
    return table(title, interleaved(calls, rounds=2))


if __name__ == "__main__":
    print(bench(STUDENT_DIM) + bench(TEACHER_DIM) + bench_huge(1_000_000, 64) + stamp())
