"""Adam with coupled weight decay (Kingma and Ba, ICLR'15): one sweep over a table, dense or row-sparse gradient."""

import math

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import check_shape, check_strided, demand_later, is_native
from rcekd.kernels.library import address, register
from rcekd.work import report


@torch.no_grad()
def adam_step_(
    param: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    grad: Tensor,
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    lazy: bool = False,
    rates: Tensor | None = None,
) -> None:
    """One update of `torch.optim.Adam` (step counts from 1) in place on `param` and its two moments.

    `grad` is dense, or row-sparse (`sparse_coo` over the rows of a [rows, D] table): a row without an entry has
    gradient zero but still decays and moves, exactly, bit for bit, as with the dense gradient. Contiguous float32
    tensors take the native sweep. With `lazy`, rows whose gradient is zero rest instead: neither they nor their moments
    change (torch.optim.SparseAdam, with weight decay for the rows that move), which is another optimiser, for tables so
    large that one sweep a step is too dear. `rates`, float32 [2] where `param` is, takes the place of what follows from
    step, lr and eps, and is read when the update is done, so that a recorded update can be another step each time it is
    played (`adam_rates`). Raises ValueError or TypeError on misuse.
    """
    if not (param.shape == exp_avg.shape == exp_avg_sq.shape == grad.shape):
        raise ValueError("param, exp_avg, exp_avg_sq and grad must have the same shape")
    if step < 1:
        raise ValueError(f"step counts from 1, not {step}")
    if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
        raise ValueError(f"beta1 and beta2 must lie in [0, 1), not {beta1} and {beta2}")
    state = (param, exp_avg, exp_avg_sq)
    for name, tensor in zip(("param", "exp_avg", "exp_avg_sq"), state, strict=True):
        check_strided(name, tensor)
        if not tensor.is_floating_point() or tensor.dtype != grad.dtype:
            raise TypeError(f"{name} and grad must share a floating dtype, not {tensor.dtype} and {grad.dtype}")
    if rates is not None:
        _check_rates(rates, param)
    if grad.layout == torch.sparse_coo and grad.device.type == "cpu":
        _check_entries(grad)
    if not _fits(grad, state):
        reference.adam_step_(
            *state,
            grad,
            step=step,
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=weight_decay,
            lazy=lazy,
            rates=rates,
        )
        return
    row, value = _rows(grad) if grad.is_sparse else (None, grad.contiguous())
    of_step = adam_rates(step, lr=lr, beta1=beta1, beta2=beta2, eps=eps)
    _operation(*state, value, row, weight_decay, 1 - beta1, beta2, 1 - beta2, *of_step, rates, lazy)
    for tensor in state:
        torch.autograd.graph.increment_version(tensor)


def adam_rates(step: int, *, lr: float, beta1: float, beta2: float, eps: float) -> tuple[float, float]:
    """lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ), and ε′ = ε · √(1 − β₂ᵗ), of step t, from 1.

    The update, p −= rate · m / (√v + ε′), rounds both to float32.
    """
    correction = math.sqrt(1 - beta2**step)
    return lr * correction / (1 - beta1**step), eps * correction


def _check_rates(rates: Tensor, param: Tensor) -> None:
    check_strided("rates", rates)
    check_shape("rates", rates, (2,))
    if rates.dtype != torch.float32 or rates.device != param.device or not rates.is_contiguous():
        raise TypeError(f"rates must be contiguous float32 on {param.device}, not {rates.dtype} on {rates.device}")


def _check_entries(grad: Tensor) -> None:
    """Every entry lies in the table: torch believes whoever made a sparse tensor."""
    index = grad._indices()
    if index.numel():
        low, high = index.aminmax(dim=1)
        if int(low.min()) < 0 or bool((high >= torch.tensor(grad.shape[: grad.sparse_dim()])).any()):
            raise ValueError(f"rows of the sparse gradient must lie in [0, {grad.shape[0]})")


def _fits(grad: Tensor, state: tuple[Tensor, ...]) -> bool:
    """Whether the native sweep takes these tensors."""
    if grad.is_sparse:
        layout = grad.sparse_dim() == 1 and grad.dim() == 2 and is_native(grad._values())
    else:
        layout = is_native(grad)
    return layout and is_native(*state) and all(tensor.is_contiguous() for tensor in state)


def _rows(grad: Tensor) -> tuple[Tensor, Tensor]:
    """Ascending rows, each once, and their values, of a row-sparse gradient."""
    row = grad._indices()[0]
    on_cpu = row.device.type == "cpu"
    # Autograd drops the coalesced flag when it hands a gradient over, and anyone may set it: the rows themselves tell.
    if (on_cpu or not grad.is_coalesced()) and bool((row.diff() <= 0).any()):
        grad = torch.sparse_coo_tensor(grad._indices(), grad._values(), grad.shape, check_invariants=False).coalesce()
        row = grad._indices()[0]
    if not on_cpu:
        sound = ((row >= 0) & (row < grad.shape[0])).all() & (row.diff() > 0).all()
        demand_later(sound, f"rows of the sparse gradient must ascend and lie in [0, {grad.shape[0]})")
    return row.contiguous(), grad._values().contiguous()


def _adam_cpu(
    param: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    grad: Tensor,
    row: Tensor | None,
    weight_decay: float,
    take: float,
    keep_sq: float,
    take_sq: float,
    rate: float,
    eps: float,
    rates: Tensor | None,
    lazy: bool,
) -> None:
    report(lambda: _work(param, grad, lazy))
    rows = param.shape[0] if param.dim() else 1
    _native.adam(
        param.data_ptr(),
        exp_avg.data_ptr(),
        exp_avg_sq.data_ptr(),
        grad.data_ptr(),
        address(row),
        rows,
        param.numel() // max(rows, 1),
        -1 if row is None else row.numel(),
        weight_decay,
        take,
        keep_sq,
        take_sq,
        rate,
        eps,
        address(rates),
        lazy,
        torch.get_num_threads(),
    )


def _work(param: Tensor, grad: Tensor, lazy: bool) -> tuple[float, float]:
    """Twelve operations a number; parameter and both moments are read and written, the gradient is read.

    Lazily: of the gradient's rows, or fewer.
    """
    moved = grad.numel() if lazy else param.numel()
    return 12 * moved, 4 * (6 * moved + grad.numel())


def _adam_cuda(
    param: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    grad: Tensor,
    row: Tensor | None,
    weight_decay: float,
    take: float,
    keep_sq: float,
    take_sq: float,
    rate: float,
    eps: float,
    rates: Tensor | None,
    lazy: bool,
) -> None:
    report(lambda: _work(param, grad, lazy))
    rows = param.shape[0] if param.dim() else 1
    cuda_library.run(
        "adam",
        param,
        param=param,
        exp_avg=exp_avg,
        exp_avg_sq=exp_avg_sq,
        grad=grad,
        row=row,
        rows=rows,
        width=param.numel() // max(rows, 1),
        entries=-1 if row is None else row.numel(),
        weight_decay=weight_decay,
        take=take,
        keep_sq=keep_sq,
        take_sq=take_sq,
        rate=rate,
        eps=eps,
        rates=rates,
        lazy=lazy,
    )


_operation = register(
    "adam_(Tensor(a!) param, Tensor(b!) exp_avg, Tensor(c!) exp_avg_sq, Tensor grad, Tensor? row, float weight_decay,"
    " float take, float keep_sq, float take_sq, float rate, float eps, Tensor? rates, bool lazy) -> ()",
    _adam_cpu,
    _adam_cuda,
)
