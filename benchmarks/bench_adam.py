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
    calls["native, dense"] = lambda: adam_step_(*state, leaf.grad, **MORE, **SETTINGS)
    return table(f"Adam, {rows} × {width} = {rows * width / 1e6:.2f} M parameters", interleaved(calls))


if __name__ == "__main__":
    print(bench(STUDENT_DIM) + bench(TEACHER_DIM) + stamp())
