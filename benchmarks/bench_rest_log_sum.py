"""log Σ e^s over all items but each row's left-out ones, and both gradients: torch in blocks (the twin), native."""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.measure import interleaved, stamp, table
from benchmarks.shapes import CITEULIKE, GOWALLA, STUDENT_DIM, Catalogue, factors
from rcekd.kernels import reference
from rcekd.kernels.csr import CSR
from rcekd.kernels.rest_log_sum import rest_log_sum

DISTINCT, LEFT_OUT = 1700, 70  # users in a batch of 2048 interactions; HetComp's training items and its P⁻


def left_out_items(catalogue: Catalogue) -> CSR:
    generator = torch.Generator().manual_seed(1)
    item = torch.randint(catalogue.items, (catalogue.users * LEFT_OUT,), generator=generator)
    user = torch.arange(catalogue.users).repeat_interleave(LEFT_OUT)
    return CSR.from_pairs(user, item, catalogue.users).sorted_unique()


def bench(name: str, catalogue: Catalogue, width: int) -> str:
    user_UD, item_ID = (factor.requires_grad_() for factor in factors(catalogue, width))
    left_out = left_out_items(catalogue)
    generator = torch.Generator().manual_seed(2)
    user_R = torch.randperm(catalogue.users, generator=generator)[:DISTINCT].sort().values
    grad_R = torch.randn(DISTINCT, generator=generator)

    def call(log_sum: Callable[..., Tensor], *, backward: bool) -> None:
        user_UD.grad = item_ID.grad = None
        with torch.set_grad_enabled(backward):
            sum_R = log_sum(user_UD[user_R], item_ID, user_R, left_out)
        if backward:
            sum_R.backward(grad_R)  # type: ignore[no-untyped-call]

    ways = {"torch, in blocks": reference.rest_log_sum, "native": rest_log_sum}
    value = {way: lambda run=run: call(run, backward=False) for way, run in ways.items()}
    both = {way: lambda run=run: call(run, backward=True) for way, run in ways.items()}
    title = f"{name}, {DISTINCT} rows × {catalogue.items} items, d = {width}"
    return table(title, interleaved(value)) + table(f"{title}, forward and backward", interleaved(both))


if __name__ == "__main__":
    for size in (STUDENT_DIM, 64):
        print(bench("CiteULike", CITEULIKE, size))
    print(bench("Gowalla", GOWALLA, STUDENT_DIM))
    print(stamp())
