"""BPR loss with gradients, and the whole training step with Adam: torch against the native core."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, STUDENT_DIM, TEACHER_DIM, factors, triples
from rcekd.kernels import reference
from rcekd.kernels.adam import adam_step_
from rcekd.kernels.bpr import bpr_loss

SETTINGS = {"lr": 1e-3, "weight_decay": 1e-5}


def torch_step(leaves: list[Tensor], optimizer: torch.optim.Optimizer, batch: tuple[Tensor, ...]) -> None:
    optimizer.zero_grad()
    reference.bpr_loss(*leaves, *batch).backward()
    optimizer.step()


def native_step(leaves: list[Tensor], moments: list[tuple[Tensor, Tensor]], batch: tuple[Tensor, ...]) -> None:
    for leaf in leaves:
        leaf.grad = None
    bpr_loss(*leaves, *batch).backward()
    for leaf, state in zip(leaves, moments, strict=True):
        assert leaf.grad is not None
        adam_step_(leaf, *state, leaf.grad, step=3, beta1=0.9, beta2=0.999, eps=1e-8, **SETTINGS)


def loss_only(loss: Callable[..., Tensor], leaves: list[Tensor], batch: tuple[Tensor, ...]) -> None:
    for leaf in leaves:
        leaf.grad = None
    loss(*leaves, *batch).backward()


def bench(width: int) -> str:
    batch = triples(CITEULIKE)
    leaves = [table.requires_grad_() for table in factors(CITEULIKE, width)]
    moments = [(torch.zeros_like(leaf), torch.zeros_like(leaf)) for leaf in leaves]
    fused = torch.optim.Adam(leaves, fused=True, **SETTINGS)
    losses = interleaved(
        {
            "torch": lambda: loss_only(reference.bpr_loss, leaves, batch),
            "native": lambda: loss_only(bpr_loss, leaves, batch),
        }
    )
    steps = interleaved(
        {
            "torch, Adam(fused=True)": lambda: torch_step(leaves, fused, batch),
            "native": lambda: native_step(leaves, moments, batch),
        }
    )
    return table(f"BPR forward and backward, d = {width}", losses) + table(f"Training step, d = {width}", steps)


if __name__ == "__main__":
    print(bench(STUDENT_DIM) + bench(TEACHER_DIM) + stamp())
